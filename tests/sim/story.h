// What a simulated world is made from: its shape and the list of what happens in it. The same story
// gives the same world, whether it came from a seed or from a file; a story that lost some of its
// events is one too, because numbers in an event are taken modulo what is there.
// Knows nothing of what an event does.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep::sim {

enum class What : uint8_t {
  // at the sources
  kEdit,
  kAddRow,
  kDropRow,
  kMoveRow,
  kDropClient,
  kCorpus,
  kNoise,
  kCode,
  kFlow,
  kBreakFlow,
  kForcePush,
  kBranch,
  kMerge,
  kDropBranch,
  kDamage,
  kHeal,
  kAway,
  kBack,
  // what is asked for
  kLook,
  kPreview,
  kRun,
  kApprove,
  kCancel,
  kPin,
  kUnpin,
  kRollback,
  kReleaseRollback,
  // attempts, effects, messages
  kEnd,
  kEffect,
  kDeliver,
  kDrop,
  kRedeliver,
  kTurn,
  // accidents
  kClock,
  kCrash,
  kDiskFull,
  kRunnerLost,
  kCollect,
  kLose,
  kSettle,
};

struct Event {
  What what = What::kTurn;
  uint32_t a = 0, b = 0;
  bool operator==(const Event&) const = default;
};

struct Story {
  uint64_t shape = 0;
  std::vector<Event> events;
  bool operator==(const Story&) const = default;
};

Story story_of(uint64_t seed, size_t events);

// One line for the shape and one for each event, and back; throws invalid with the line's number.
std::string text(const Event& event);
std::string text(const Story& story);
Story parse_story(const std::string& text);

}  // namespace lockstep::sim
