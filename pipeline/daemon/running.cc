// What an operator asks of a daemon that serves: its numbers, its events, another configuration.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "pipeline/daemon/daemon.h"
#include "pipeline/daemon/outbox.h"
#include "pipeline/daemon/signing.h"
#include "pipeline/systemd/notify.h"

namespace lockstep {
namespace {

EngineNumbers numbers_of(Engine& engine, Metrics& metrics) {
  EngineNumbers out;
  std::vector<Intent> intents = engine.store().intents();
  for (const Intent& intent : intents) ++out.intents[intent.kind];
  out.oldest_intent_ms = metrics.oldest_intent_ms(intents, engine.now_ms());
  for (const Slot& slot : engine.slots()) {
    auto& [busy, all] = out.slots[slot.info.pool];
    busy += slot.running;
    all += slot.capacity;
  }
  std::string unreleased = engine.store().get("unreleased");
  if (!unreleased.empty()) out.unreleased_ms = engine.now_ms() - std::stoll(unreleased);
  int64_t live = 0;
  for (const auto& [name, model] : engine.registry().models) {
    live += !model.retired && model.alias(kChampion) > 0 ? 1 : 0;
  }
  const Run* newest = engine.watched();
  if (newest && newest->plan) {
    for (uint32_t i = 0; i < newest->survey->graph->steps.size(); ++i) {
      ++out.steps[std::string(word(newest->plan->at(StepId{i}).state))];
    }
    for (const auto& [model, step] : newest->survey->graph->producer) {
      StepState state = newest->plan->at(step).state;
      out.models_behind += state == StepState::kDone || state == StepState::kCurrent ? 0 : 1;
    }
  }
  out.models_in_step = std::max<int64_t>(0, live - out.models_behind);
  return out;
}

Json error_json(const Error& error) {
  return {{"code", word(error.code)},
          {"message", error.message},
          {"hint", error.hint},
          {"where", error.where}};
}

}  // namespace

EngineOptions engine_options(const Parts& parts, const ImageParts& images) {
  const Policies& policies = parts.workspace().policies;
  EngineOptions options;
  options.slots = parts.slots();
  options.max_new = policies.max_new;
  options.cancel_superseded = policies.superseded == SupersededPolicy::kCancel;
  const auto& signing = parts.workspace().signing;
  options.sign = signing && signing->key;
  options.unbuildable = [&images](const Registry& registry, const Release& release) {
    return images.unbuildable(registry, release);
  };
  if (signing) {
    options.distrust = [keys = trusted_keys(parts)](const Registry& registry,
                                                    const ReleaseState& release) {
      return distrust(registry, release, keys);
    };
  }
  for (const SourceSpec& spec : parts.workspace().sources) {
    if (spec.status) options.told_sources.insert(spec.name);
  }
  for (const NotificationSpec& spec : parts.workspace().notifications) {
    for (const std::string& event : spec.on) options.told_events[event].insert(receiver_name(spec));
  }
  return options;
}

ProcessNumbers Daemon::numbers() {
  constexpr auto kPatience = std::chrono::seconds(2);
  ProcessNumbers out;
  // Kept by the command too: it may come to be run when nobody waits for it any more.
  auto answer = std::make_shared<std::promise<EngineNumbers>>();
  std::future<EngineNumbers> numbers = answer->get_future();
  engine_->inbox().push(
      Command{[this, answer](Engine& engine) { answer->set_value(numbers_of(engine, metrics_)); },
              nullptr});
  if (numbers.wait_for(kPatience) == std::future_status::ready) out.engine = numbers.get();
  out.inbox = engine_->inbox().size();
  if (server_) {
    out.connections = server_->connections();
    out.followers = server_->followers();
  }
  for (const char* file : {"state.db", "state.db-wal"}) {
    std::error_code failed;
    const uintmax_t size = fs::file_size(parts_.state() / file, failed);
    out.store_bytes += failed ? 0 : size;
  }
  out.now_ms = clock_.now_ms();
  return out;
}

EventPage Daemon::events(int64_t after, size_t limit) {
  std::lock_guard<std::mutex> lock(events_mutex_);
  SqliteEvents events(*events_db_);
  EventPage page;
  page.events = events.read(after, limit);
  page.first = events.first();
  page.last = std::max(events.last(), page.events.empty() ? 0 : page.events.back().id);
  return page;
}

Json Daemon::last_reload() {
  std::lock_guard<std::mutex> lock(mutex_);
  return last_reload_;
}

Json Daemon::reload() {
  if (!serving_) {
    throw Error(ErrorCode::kUnavailable, "nobody serves this workspace",
                "commands read lockstep.yaml anew each time");
  }
  std::lock_guard<std::mutex> one(reload_mutex_);
  notify_reloading("reading the configuration again");
  Json done = {{"ok", true},
               {"time", rfc3339(clock_.now_ms())},
               {"errors", Json::array()},
               {"changed", Json::array()},
               {"needs_restart", Json::array()}};
  try {
    Tokens(parts_.state() / "tokens.json");  // can it be read? Taken with the rest, or not
    Parts::Reloaded reloaded = parts_.reload();
    tokens_.read_again();
    take_parts();
    done["changed"] = reloaded.changed;
    done["needs_restart"] = reloaded.needs_restart;
  } catch (const Errors& errors) {
    for (const Error& error : errors.all) done["errors"].push_back(error_json(error));
  } catch (const Error& error) {
    done["errors"].push_back(error_json(error));
  }
  done["ok"] = done["errors"].empty();
  for (const Json& error : done["errors"]) {
    spdlog::error("reload: {} {}", error.at("where").get<std::string>(),
                  error.at("message").get<std::string>());
  }
  for (const Json& what : done["needs_restart"]) {
    spdlog::warn("reload: {} needs a restart", what.get<std::string>());
  }
  const std::string said =
      done["ok"].get<bool>()
          ? fmt::format("reloaded; changed: {}", done["changed"].dump())
          : fmt::format("reload refused with {} errors; the old configuration goes on",
                        done["errors"].size());
  spdlog::info("{}", said);
  metrics_.reloaded(done["ok"].get<bool>());
  notify_ready(said);
  std::lock_guard<std::mutex> lock(mutex_);
  return last_reload_ = done;
}

// Everybody who holds something that was made of the old file gets it anew. What runs goes on.
void Daemon::take_parts() {
  {
    std::lock_guard<std::mutex> lock(survey_mutex_);
    std::unique_ptr<SourceSet> sources = parts_.open_sources();
    auto workflows = std::make_unique<GitWorkflows>(parts_, *sources);
    surveyor_ = std::make_unique<Surveyor>(sources->watched(), *workflows, *slice_cache_);
    workflows_ = std::move(workflows);
    survey_sources_ = std::move(sources);
  }
  {
    std::lock_guard<std::mutex> lock(ask_mutex_);
    ask_sources_ = parts_.open_sources();
  }
  effects_->take_parts();
  in_loop([&](Engine& engine) { engine.reconfigure(engine_options(parts_, images_)); });
  for (const ListenerSpec& spec : parts_.workspace().listeners) {
    try {
      server_->change(listener_of(spec));
    } catch (const Error& error) {
      if (error.code != ErrorCode::kNotFound) throw;  // a new one: it needs a restart
    }
  }
  parts_changed_ = true;
  hint();
}

void Daemon::know_graph() {
  std::optional<std::map<std::string, std::string>> commits;
  in_loop([&](Engine& engine) {
    if (engine.channels().empty()) commits = engine.cursors();
  });
  if (!commits) return;
  const Trigger trigger{"manual", "", {}, false, true};
  std::shared_ptr<const Survey> seen = look(trigger, *commits);
  in_loop([&](Engine& engine) {
    if (engine.channels().empty()) engine.know(*seen->graph);
  });
}

// Only for what may be released: a question and a preview ask no registry.
void Daemon::look_at_images(Survey& survey) {
  auto known = in_loop([](Engine& engine) { return engine.images(); });
  std::lock_guard<std::mutex> lock(survey_mutex_);
  images_.look(survey, *survey_sources_, known);
}

}  // namespace lockstep
