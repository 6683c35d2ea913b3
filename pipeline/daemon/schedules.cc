// Schedules of workflows and imports: what is due is planned or brought in, once for all the ticks
// that were missed while nobody served. And workflows that another one has asked for.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "pipeline/calendar/cron.h"
#include "pipeline/daemon/daemon.h"

namespace lockstep {
namespace {

constexpr int64_t kNever_ms = INT64_MAX;
constexpr int64_t kDay_ms = 86'400'000;
constexpr size_t kMostMissed = 1000;

struct Due {
  size_t ticks = 0;  // since the last one
  int64_t next_ms = kNever_ms;
};

Due due(const std::vector<ScheduleSpec>& specs, int64_t last_ms, int64_t now_ms) {
  Due out;
  for (const ScheduleSpec& spec : specs) {
    try {
      CronSchedule schedule(spec.cron, spec.timezone);
      out.ticks += schedule.count(last_ms, now_ms, kMostMissed);
      out.next_ms = std::min(out.next_ms, schedule.next(now_ms).value_or(kNever_ms));
    } catch (const Error& error) {
      spdlog::warn("{}", error.what());  // a zone that this machine does not have
    }
  }
  return out;
}

std::string missed_text(const std::string& what, const Due& due, int64_t last_ms) {
  return fmt::format("{}: {} ticks of its schedule since {} were missed; it runs once for all",
                     what, due.ticks - 1, rfc3339(last_ms));
}

}  // namespace

// The time of the next tick. What has no last one begins now.
int64_t Daemon::run_schedules() {
  int64_t now_ms = clock_.now_ms(), next_ms = kNever_ms;
  std::map<std::string, std::vector<ScheduleSpec>> all =
      in_loop([](Engine& engine) { return engine.schedules(); });
  for (const ImportSpec& import : parts_.workspace().imports) {
    if (!import.schedule.empty()) all["import " + import.name] = import.schedule;
  }
  for (const auto& [name, specs] : all) {
    int64_t last_ms = in_loop([&, n = name](Engine& engine) { return engine.last_tick(n); });
    bool unknown = last_ms == 0 || last_ms > now_ms + kDay_ms;  // or the clock was put back
    if (unknown) {
      in_loop([&, n = name](Engine& engine) { engine.set_tick(n, now_ms); });
      last_ms = now_ms;
    }
    Due now = due(specs, last_ms, now_ms);
    next_ms = std::min(next_ms, now.next_ms);
    if (now.ticks == 0) continue;
    if (now.ticks > 1) spdlog::warn("{}", missed_text(name, now, last_ms));
    bool import = name.rfind("import ", 0) == 0;
    bool good = import ? start_import(name.substr(7)) : plan_tick(name, now_ms);
    // What could not be had is tried again with the next look.
    if (good && import) in_loop([&, n = name](Engine& engine) { engine.set_tick(n, now_ms); });
    if (!good) next_ms = std::min(next_ms, now_ms + 5'000);
  }
  return next_ms;
}

bool Daemon::plan_tick(const std::string& workflow, int64_t now_ms) {
  spdlog::info("workflow {} is due", workflow);
  Trigger trigger;
  trigger.kind = "schedule";
  trigger.who = "lockstep";
  trigger.workflow = workflow;
  trigger.tick_ms = now_ms;
  return !have_planned({trigger, held_commits(), nullptr});
}

// Workflows whose turn has come because another one has run; false where one has to wait.
bool Daemon::plan_followers() {
  Json asked = in_loop([](Engine& engine) { return engine.asked(); });
  bool all = true;
  for (const auto& [workflow, why] : asked.items()) {
    spdlog::info("workflow {} starts after {} (run {})", workflow,
                 why.at("after").get<std::string>(), why.at("run").get<std::string>());
    Trigger trigger;
    trigger.kind = "workflow";
    trigger.who = "lockstep";
    trigger.workflow = workflow;
    all = !have_planned({trigger, held_commits(), nullptr}) && all;
  }
  return all;
}

// In a thread of its own: a download may take minutes. False while the last one is under way.
bool Daemon::start_import(const std::string& name) {
  bool busy =
      import_.valid() && import_.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
  if (busy) return false;
  import_ = std::async(std::launch::async, [this, name] {
    try {
      Json done = backend_->import_sheet(name, {{"from", ""}, {"accept_change", false}},
                                         {"lockstep", "its schedule", false});
      spdlog::info("import {}: {}", name,
                   done.value("commit", Json()).is_string() ? "a commit was made" : "no change");
    } catch (const std::exception& error) {
      spdlog::warn("import {} is refused: {}", name, error.what());
    }
  });
  return true;
}

}  // namespace lockstep
