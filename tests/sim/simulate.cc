#include "tests/sim/simulate.h"

#include <algorithm>

#include "tests/pipeline/engine/described.h"
#include "tests/sim/world.h"

namespace lockstep::sim {
namespace {

std::string digest_of(World& world) {
  std::string text = described(world.engine->registry());
  text += fmt::format("{} {} {}", world.clock.now, world.runner.ever().size(),
                      Json(world.published).dump());
  return sha256(text).hex().substr(0, 16);
}

// Which rule does it break? Empty: none.
std::string rule_of(const Story& story, Wrong wrong) {
  Outcome outcome = run(story, wrong);
  return outcome.broken ? outcome.broken->violation.rule : "";
}

// Without the events [from, from + count).
Story without(const Story& story, size_t from, size_t count) {
  Story rest{story.shape, {}};
  for (size_t i = 0; i < story.events.size(); ++i) {
    if (i < from || i >= from + count) rest.events.push_back(story.events[i]);
  }
  return rest;
}

Story fewer_events(Story story, Wrong wrong, const std::string& rule) {
  size_t piece = std::max<size_t>(1, story.events.size() / 2);
  while (!story.events.empty()) {
    bool shorter = false;
    for (size_t from = 0; from < story.events.size();) {
      Story tried = without(story, from, piece);
      if (rule_of(tried, wrong) == rule) {
        story = std::move(tried);
        shorter = true;
      } else {
        from += piece;
      }
    }
    if (!shorter && piece == 1) break;
    if (!shorter) piece = (piece + 1) / 2;
  }
  return story;
}

Story smaller_numbers(Story story, Wrong wrong, const std::string& rule) {
  for (size_t i = 0; i < story.events.size(); ++i) {
    for (uint32_t Event::*number : {&Event::a, &Event::b}) {
      for (uint32_t smaller : {0u, 1u, 2u, story.events[i].*number % 24}) {
        if (story.events[i].*number <= smaller) break;
        Story tried = story;
        tried.events[i].*number = smaller;
        if (rule_of(tried, wrong) != rule) continue;
        story = std::move(tried);
        break;
      }
    }
  }
  for (uint32_t bit = 0; bit < 64; ++bit) {
    Story tried = story;
    tried.shape &= ~(1ULL << bit);
    if (tried.shape != story.shape && rule_of(tried, wrong) == rule) story = std::move(tried);
  }
  return story;
}

}  // namespace

Outcome run(const Story& story, Wrong wrong) {
  Outcome outcome;
  size_t at = 0;
  try {
    World world(story.shape, wrong);
    for (; at < story.events.size(); ++at) {
      outcome.happened += world.apply(story.events[at]) ? 1 : 0;
    }
    world.settle();
    outcome.digest = digest_of(world);
  } catch (const Violation& violation) {
    outcome.broken = {violation, at};
  } catch (const std::exception& error) {
    outcome.broken = {{"throws", error.what()}, at};
  }
  return outcome;
}

Story shrink(const Story& story, Wrong wrong) {
  Outcome outcome = run(story, wrong);
  std::string rule = outcome.broken->violation.rule;
  Story shorter = without(story, outcome.broken->event + 1, story.events.size());
  if (rule_of(shorter, wrong) != rule) shorter = story;
  shorter = fewer_events(std::move(shorter), wrong, rule);
  shorter = smaller_numbers(std::move(shorter), wrong, rule);
  return fewer_events(std::move(shorter), wrong, rule);
}

std::string report(const Story& story, const Outcome& outcome) {
  std::string out =
      fmt::format("# {} events, {} happened\n", story.events.size(), outcome.happened);
  out += text(story);
  if (outcome.broken) {
    const Broken& broken = *outcome.broken;
    out += fmt::format("# event {} of {}: {}: {}\n", broken.event + 1, story.events.size(),
                       broken.violation.rule, broken.violation.what);
  }
  return out;
}

}  // namespace lockstep::sim
