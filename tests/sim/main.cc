// `sim`: worlds from one seed after the other, until time or events run out, or a rule is broken.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>

#include "pipeline/base/error.h"
#include "tests/sim/simulate.h"

using namespace lockstep;
using namespace lockstep::sim;

namespace {

struct Wanted {
  uint64_t seed = 1;
  size_t seeds = 0;     // 0: as many as there is time for
  size_t events = 120;  // of one world
  double seconds = 10;
  Wrong wrong = Wrong::kNone;
  std::string replay;
};

constexpr const char* kUsage =
    "usage: sim [--seed S] [--seeds N] [--events N] [--seconds N] [--wrong NAME] [--replay FILE]\n";

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Wanted read(int argc, char** argv) {
  Wanted wanted;
  std::map<std::string, std::string> given;
  for (int i = 1; i + 1 < argc; i += 2) given[argv[i]] = argv[i + 1];
  if (argc % 2 == 0) throw Error(ErrorCode::kInvalid, "a word too few");
  for (const auto& [name, value] : given) {
    if (name == "--seed") {
      wanted.seed = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--seeds") {
      wanted.seeds = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--events") {
      wanted.events = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--seconds") {
      wanted.seconds = std::strtod(value.c_str(), nullptr);
    } else if (name == "--wrong") {
      wanted.wrong = wrong_engine(value).wrong;
    } else if (name == "--replay") {
      wanted.replay = value;
    } else {
      throw Error(ErrorCode::kInvalid, "unknown argument " + name);
    }
  }
  return wanted;
}

int replay(const Wanted& wanted) {
  std::ifstream file(wanted.replay);
  if (!file) throw Error(ErrorCode::kNotFound, "can't be read: " + wanted.replay);
  std::string all{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  Story story = parse_story(all);
  Outcome outcome = run(story, wanted.wrong);
  std::fputs(report(story, outcome).c_str(), stdout);
  if (!outcome.broken) fmt::print("# no rule is broken; the end is {}\n", outcome.digest);
  return outcome.broken ? 1 : 0;
}

int show_broken(uint64_t seed, const Story& story, const Outcome& outcome, Wrong wrong) {
  fmt::print("seed {}, event {} of {}: {}: {}\n", seed, outcome.broken->event + 1,
             story.events.size(), outcome.broken->violation.rule, outcome.broken->violation.what);
  std::fflush(stdout);
  Story shorter = shrink(story, wrong);
  std::fputs(report(shorter, run(shorter, wrong)).c_str(), stdout);
  return 1;
}

int simulate(const Wanted& wanted) {
  auto begin = std::chrono::steady_clock::now();
  size_t happened = 0, seeds = 0;
  double said = 0;
  for (uint64_t seed = wanted.seed; wanted.seeds == 0 || seeds < wanted.seeds; ++seed, ++seeds) {
    double now = seconds_since(begin);
    if (wanted.seeds == 0 && now >= wanted.seconds) break;
    if (now - said >= 5) {
      said = now;
      fmt::print(stderr, "{:6.0f} s  seed {}  {} events\n", now, seed, happened);
    }
    Story story = story_of(seed, wanted.events);
    Outcome outcome = run(story, wanted.wrong);
    happened += outcome.happened;
    if (outcome.broken) return show_broken(seed, story, outcome, wanted.wrong);
  }
  fmt::print("seeds {} … {}: {} events, no rule broken, {:.0f} s\n", wanted.seed,
             wanted.seed + seeds - 1, happened, seconds_since(begin));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Wanted wanted = read(argc, argv);
    return wanted.replay.empty() ? simulate(wanted) : replay(wanted);
  } catch (const Error& error) {
    std::fprintf(stderr, "sim: %s\n%s", error.what(), kUsage);
    return 2;
  }
}
