#include "pipeline/daemon/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include "pipeline/base/files.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Registry;

Family<Counter>& counter(Registry& registry, const std::string& name, const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

// A gauge of this scrape alone.
class Gauges {
 public:
  explicit Gauges(Registry& registry) : registry_(registry) {}
  Family<Gauge>& family(const std::string& name, const std::string& help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry_);
  }
  void set(const std::string& name, const std::string& help, double value) {
    family(name, help).Add({}).Set(value);
  }

 private:
  Registry& registry_;
};

double seconds(int64_t ms) {
  return double(ms) / 1000;
}

void set_engine(Gauges& out, const EngineNumbers& engine) {
  auto& intents = out.family("lockstep_outbox_intents", "Effects that are yet to be confirmed.");
  for (const auto& [kind, count] : engine.intents) {
    intents.Add({{"kind", kind}}).Set(double(count));
  }
  out.set("lockstep_outbox_oldest_intent_age_seconds", "Age of the oldest of them, 0 without any.",
          seconds(engine.oldest_intent_ms));
  auto& busy = out.family("lockstep_slots_busy", "Slots at work.");
  auto& all = out.family("lockstep_slots", "Slots that are declared.");
  for (const auto& [pool, slots] : engine.slots) {
    busy.Add({{"pool", pool}}).Set(slots.first);
    all.Add({{"pool", pool}}).Set(slots.second);
  }
  auto& steps = out.family("lockstep_steps", "Steps of the newest plan by their state.");
  for (const auto& [state, count] : engine.steps) steps.Add({{"state", state}}).Set(double(count));
  out.set("lockstep_models_in_step", "Live models that are what the newest plan asks for.",
          double(engine.models_in_step));
  out.set("lockstep_models_behind", "Live models that are not.", double(engine.models_behind));
  out.set("lockstep_release_lag_seconds",
          "Age of the oldest alias move that no release holds, 0 without any.",
          seconds(engine.unreleased_ms));
}

void set_process(Gauges& out) {
  OwnProcess own = OwnProcess::now();
  out.set("process_resident_memory_bytes", "Resident memory.", own.resident_bytes);
  out.set("process_open_fds", "Open file descriptors.", own.open_fds);
  out.set("process_max_fds", "How many there may be.", own.max_fds);
  out.set("process_start_time_seconds", "Start of the process since 1970.", own.start_seconds);
}

}  // namespace

struct Metrics::Families {
  Registry registry;
  Family<Counter>& turns = counter(registry, "lockstep_turns_total", "Turns of the engine.");
  Family<Counter>& runs = counter(registry, "lockstep_runs_total", "Runs that ended, by result.");
  Family<Counter>& attempts =
      counter(registry, "lockstep_attempts_total", "Attempts that ended, by result and pool.");
  Family<Counter>& moves = counter(registry, "lockstep_alias_moves_total", "Moves of aliases.");
  Family<Counter>& releases =
      counter(registry, "lockstep_releases_total", "Releases a channel was pointed at.");
  Family<Counter>& seen =
      counter(registry, "lockstep_commits_seen_total", "New heads seen of a source.");
  Family<Counter>& planned =
      counter(registry, "lockstep_commits_planned_total", "Commits of a source that were planned.");
  Family<Counter>& deliveries = counter(registry, "lockstep_deliveries_total",
                                        "Deliveries of webhooks, by hook and verdict.");
  Family<Counter>& polls = counter(registry, "lockstep_source_polls_total", "Looks at a source.");
  Family<Counter>& failures =
      counter(registry, "lockstep_source_poll_failures_total", "Looks that failed.");
  Family<Counter>& reloads =
      counter(registry, "lockstep_reloads_total", "Reloads of the configuration, by result.");
  Family<Counter>& events =
      counter(registry, "lockstep_events_total", "Events told to those who follow.");
  Family<Counter>& cpu =
      counter(registry, "process_cpu_seconds_total", "Processor time, user and system.");
  Histogram& turn_seconds =
      prometheus::BuildHistogram()
          .Name("lockstep_turn_duration_seconds")
          .Help("How long turns of the engine took.")
          .Register(registry)
          .Add({}, Histogram::BucketBoundaries{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                               0.5, 1, 2.5, 5, 10});
};

Metrics::Metrics() : families_(std::make_unique<Families>()) {
  // Those without labels are there from the start: a rate needs a zero to begin at.
  families_->turns.Add({});
  families_->moves.Add({});
  families_->events.Add({});
}

Metrics::~Metrics() = default;

void Metrics::turned(double duration) {
  families_->turns.Add({}).Increment();
  families_->turn_seconds.Observe(duration);
}

void Metrics::happened(const std::vector<Event>& events) {
  if (events.empty()) return;
  families_->events.Add({}).Increment(double(events.size()));
  for (const Event& event : events) {
    if (event.kind == "alias") families_->moves.Add({}).Increment();
    const bool told = event.kind == "run" || event.kind == "attempt" || event.kind == "release";
    if (!told) continue;
    Json data = parse_json(event.data, "an event");
    auto text = [&](const char* name) { return data.at(name).get<std::string>(); };
    if (event.kind == "attempt") {
      families_->attempts.Add({{"result", text("result")}, {"pool", text("pool")}}).Increment();
    } else if (event.kind == "release") {
      families_->releases.Add({{"channel", text("channel")}}).Increment();
    } else if (text("result") != "running") {
      families_->runs.Add({{"result", text("result")}}).Increment();
    } else {
      commits_planned(data.at("commits").get<std::map<std::string, std::string>>());
    }
  }
}

void Metrics::commits_planned(const std::map<std::string, std::string>& commits) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [source, commit] : commits) {
    if (std::exchange(planned_[source], commit) == commit) continue;
    families_->planned.Add({{"source", source}}).Increment();
  }
}

void Metrics::intended(const std::vector<Intent>& intents, int64_t now_ms) {
  if (intents.empty()) return;
  std::lock_guard<std::mutex> lock(mutex_);
  for (const Intent& intent : intents) since_ms_.emplace(intent.id, now_ms);
}

int64_t Metrics::oldest_intent_ms(const std::vector<Intent>& there, int64_t now_ms) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::set<int64_t> ids;
  int64_t oldest_ms = 0;
  for (const Intent& intent : there) {
    ids.insert(intent.id);
    auto since = since_ms_.emplace(intent.id, now_ms).first;
    oldest_ms = std::max(oldest_ms, now_ms - since->second);
  }
  std::erase_if(since_ms_, [&](const auto& one) { return !ids.count(one.first); });
  return oldest_ms;
}

void Metrics::commit_seen(const std::string& source, const std::string& commit) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (std::exchange(seen_[source], commit) == commit) return;
  families_->seen.Add({{"source", source}}).Increment();
}

void Metrics::looked(const std::string& source, bool good, int64_t now_ms) {
  families_->polls.Add({{"source", source}}).Increment();
  families_->failures.Add({{"source", source}}).Increment(good ? 0 : 1);
  std::lock_guard<std::mutex> lock(mutex_);
  if (good) looked_ms_[source] = now_ms;
}

void Metrics::delivered(const std::string& hook, const std::string& verdict) {
  families_->deliveries.Add({{"hook", hook}, {"verdict", verdict}}).Increment();
}

void Metrics::reloaded(bool good) {
  families_->reloads.Add({{"result", good ? "taken" : "refused"}}).Increment();
}

std::string Metrics::text(const ProcessNumbers& now) {
  Registry scrape;
  Gauges out(scrape);
  out.set("lockstep_engine_answers", "1 where the engine answered within the time of a scrape.",
          now.engine ? 1 : 0);
  out.set("lockstep_inbox_messages", "Messages that wait for the next turn.", double(now.inbox));
  out.set("lockstep_store_bytes", "Size of the store's file and of its log.",
          double(now.store_bytes));
  out.set("lockstep_followers", "Connections that follow events or logs.", double(now.followers));
  auto& doors = out.family("lockstep_connections", "Open connections, by door.");
  for (const auto& [door, count] : now.connections) doors.Add({{"door", door}}).Set(double(count));
  auto& ages =
      out.family("lockstep_source_poll_age_seconds", "Since a source was last read without error.");
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [source, at_ms] : looked_ms_) {
      ages.Add({{"source", source}}).Set(std::max(0.0, seconds(now.now_ms - at_ms)));
    }
  }
  if (now.engine) set_engine(out, *now.engine);
  set_process(out);
  Counter& cpu = families_->cpu.Add({});
  cpu.Increment(std::max(0.0, OwnProcess::now().cpu_seconds - cpu.Value()));
  std::vector<prometheus::MetricFamily> all = families_->registry.Collect();
  for (auto& family : scrape.Collect()) all.push_back(std::move(family));
  std::erase_if(all, [](const auto& family) { return family.metric.empty(); });
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return prometheus::TextSerializer().Serialize(all);
}

OwnProcess OwnProcess::now() {
  OwnProcess own;
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  statm >> pages >> pages;
  own.resident_bytes = pages * double(sysconf(_SC_PAGESIZE));
  std::error_code failed;
  for (fs::directory_iterator it("/proc/self/fd", failed), end; !failed && it != end;
       it.increment(failed)) {
    own.open_fds += 1;
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) own.max_fds = double(limit.rlim_cur);
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  auto in_seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
  own.cpu_seconds = in_seconds(used.ru_utime) + in_seconds(used.ru_stime);
  // Field 22 of stat: ticks since boot; what stands before may hold spaces, within parentheses.
  std::string stat, boot;
  std::ifstream file("/proc/self/stat");
  std::getline(file, stat);
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::string skipped;
  for (int i = 3; i < 22; ++i) fields >> skipped;
  double ticks = 0, booted = 0;
  fields >> ticks;
  std::ifstream lines("/proc/stat");
  while (lines >> boot) {
    if (boot == "btime") lines >> booted;
  }
  own.start_seconds = booted + ticks / double(sysconf(_SC_CLK_TCK));
  return own;
}

}  // namespace lockstep
