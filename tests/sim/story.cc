#include "tests/sim/story.h"

#include <fmt/format.h>

#include <array>
#include <sstream>
#include <utility>

#include "pipeline/base/error.h"
#include "tests/sim/random.h"

namespace lockstep::sim {
namespace {

struct Word {
  What what;
  const char* name;
  uint32_t weight;  // how often it happens, among all
};

// Enough of the everyday that worlds come to something, enough accidents that none is left alone.
constexpr std::array<Word, 40> kWords = {{
    {What::kEdit, "edit", 40},
    {What::kAddRow, "add-row", 12},
    {What::kDropRow, "drop-row", 6},
    {What::kMoveRow, "move-row", 8},
    {What::kDropClient, "drop-client", 4},
    {What::kCorpus, "corpus", 12},
    {What::kNoise, "noise", 4},
    {What::kCode, "code", 14},
    {What::kFlow, "flow", 14},
    {What::kBreakFlow, "break-flow", 2},
    {What::kForcePush, "force-push", 6},
    {What::kBranch, "branch", 14},
    {What::kMerge, "merge", 6},
    {What::kDropBranch, "drop-branch", 2},
    {What::kDamage, "damage", 3},
    {What::kHeal, "heal", 6},
    {What::kAway, "away", 3},
    {What::kBack, "back", 8},
    {What::kLook, "look", 80},
    {What::kPreview, "preview", 20},
    {What::kRun, "run", 12},
    {What::kApprove, "approve", 10},
    {What::kCancel, "cancel", 3},
    {What::kPin, "pin", 4},
    {What::kUnpin, "unpin", 4},
    {What::kRollback, "rollback", 6},
    {What::kReleaseRollback, "release-rollback", 4},
    {What::kEnd, "end", 130},
    {What::kEffect, "effect", 180},
    {What::kDeliver, "deliver", 260},
    {What::kDrop, "drop", 6},
    {What::kRedeliver, "redeliver", 6},
    {What::kTurn, "turn", 30},
    {What::kClock, "clock", 12},
    {What::kCrash, "crash", 26},
    {What::kDiskFull, "disk-full", 6},
    {What::kRunnerLost, "runner-lost", 4},
    {What::kCollect, "collect", 6},
    {What::kLose, "lose", 4},
    {What::kSettle, "settle", 4},
}};

const Word& word_of(What what) {
  for (const Word& word : kWords) {
    if (word.what == what) return word;
  }
  throw Error(ErrorCode::kInvalid, "an event without a word");
}

uint32_t total() {
  uint32_t sum = 0;
  for (const Word& word : kWords) sum += word.weight;
  return sum;
}

What drawn(Random& random) {
  uint32_t at = random.below(total());
  for (const Word& word : kWords) {
    if (at < word.weight) return word.what;
    at -= word.weight;
  }
  return What::kTurn;
}

Event parse_event(const std::string& name, std::istream& rest) {
  Event event;
  for (const Word& word : kWords) {
    if (name != word.name) continue;
    event.what = word.what;
    if (rest >> event.a >> event.b) return event;
  }
  throw Error(ErrorCode::kInvalid, "no event is written like this: " + name);
}

}  // namespace

Story story_of(uint64_t seed, size_t events) {
  Random random(seed * 2 + 1);
  Story story;
  story.shape = random.next();
  for (size_t i = 0; i < events; ++i) {
    What what = drawn(random);
    uint32_t a = random.below(1 << 16), b = random.below(1 << 16);
    story.events.push_back({what, a, b});
  }
  return story;
}

std::string text(const Event& event) {
  return fmt::format("{} {} {}", word_of(event.what).name, event.a, event.b);
}

std::string text(const Story& story) {
  std::string out = fmt::format("shape {}\n", story.shape);
  for (const Event& event : story.events) out += text(event) + "\n";
  return out;
}

Story parse_story(const std::string& text) {
  Story story;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line);
    std::string name;
    if (!(words >> name) || name[0] == '#') continue;
    try {
      if (name != "shape") {
        story.events.push_back(parse_event(name, words));
      } else if (!(words >> story.shape)) {
        throw Error(ErrorCode::kInvalid, "a shape is one number");
      }
    } catch (const Error& error) {
      throw Error(ErrorCode::kInvalid, fmt::format("line {}: {}", number, error.message));
    }
  }
  return story;
}

}  // namespace lockstep::sim
