// What those who follow are told is what happened, in its order, once: compared with the ledger,
// the attempts and the runs of the store.
#include "pipeline/base/json.h"
#include "tests/sim/world.h"

namespace lockstep::sim {
namespace {

std::string_view result_of(AttemptState state) {
  switch (state) {
    case AttemptState::kSucceeded:
      return "succeeded";
    case AttemptState::kFailed:
      return "failed";
    case AttemptState::kLost:
      return "lost";
    case AttemptState::kCancelled:
      return "cancelled";
    default:
      return "not over";
  }
}

}  // namespace

std::string told_as(const AliasMove& move) {
  return fmt::format("{} of {}: {} to {}", move.alias, move.model, move.from, move.to);
}

std::string told_as(const ChannelMove& move) {
  return fmt::format("channel {}: {} to {}", move.channel, move.from, move.to);
}

// Of a turn: the events behind the last one that was looked at. `heard`: they were published, too.
void Checks::told(World& world, bool heard) {
  constexpr size_t kMost = 100'000;
  std::vector<std::string> moves;
  std::vector<lockstep::Event> events = SqliteEvents(world.db).read(last_event_, kMost);
  for (const lockstep::Event& event : events) {
    must(event.id == last_event_ + 1, "told", "event {} follows {}", event.id, last_event_);
    last_event_ = event.id;
    const Json data = parse_json(event.data, "an event");
    auto text = [&](const char* name) { return data.at(name).get<std::string>(); };
    if (event.kind == "alias") {
      moves.push_back(told_as(AliasMove{text("model"), text("alias"), data.at("from").get<int>(),
                                        data.at("to").get<int>(), "", ""}));
    } else if (event.kind == "release") {
      moves.push_back(told_as(ChannelMove{text("channel"), text("from"), text("to"), "", ""}));
    } else if (event.kind == "attempt") {
      const std::string id = text("attempt");
      std::optional<AttemptRecord> attempt = world.sqlite.attempt(id);
      must(attempt && result_of(attempt->state) == text("result"), "told",
           "attempt {} is told as {}, and the store knows better", id, text("result"));
      must(told_attempts_.insert(id).second, "told", "the end of attempt {} is told twice", id);
    } else if (event.kind == "run") {
      told_runs_[text("run")] = text("result");
    }
  }
  must(moves == std::exchange(moves_, {}), "told",
       "moves of aliases and channels are told in another way than the ledger has them");
  for (const std::string& id : std::exchange(over_, {})) {
    must(told_attempts_.count(id) > 0, "told", "nobody is told of the end of attempt {}", id);
  }
  for (const RunRecord& run : world.sqlite.runs(4)) {
    must(told_runs_[run.id] == run.result, "told", "run {} is {}, and told as {}", run.id,
         run.result, told_runs_[run.id]);
  }
  if (!heard) return;
  std::vector<lockstep::Event> published = world.engine->take_events();
  bool same = published.size() == events.size();
  for (size_t i = 0; same && i < events.size(); ++i) {
    same = published[i].id == events[i].id && published[i].data == events[i].data;
  }
  must(same, "told", "what is published is not what the store has of the turn");
}

}  // namespace lockstep::sim
