#include "pipeline/daemon/outbox.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "connectors/forge/comment.h"
#include "connectors/forge/notify.h"
#include "connectors/forge/status.h"
#include "pipeline/base/process.h"
#include "pipeline/daemon/daemon.h"
#include "pipeline/daemon/report.h"

namespace lockstep {
namespace {

constexpr int64_t kLongestPause_ms = 60'000;       // while a forge is away
constexpr int64_t kLongestWait_ms = 600'000;       // while a receiver is
constexpr int64_t kRefusedPause_ms = 30 * 60'000;  // a token, a right, a commit that is not there
constexpr int64_t kPatience_ms = 24 * 3600'000;
constexpr int64_t kCommand_ms = 30'000;
constexpr size_t kGivenUpKept = 20;

int64_t now_ms() {
  return SystemClock().now_ms();
}

std::string before(const std::string& text, char c) {
  return text.substr(0, text.find(c));
}

std::string after(const std::string& text, char c) {
  const size_t at = text.find(c);
  return at == text.npos ? "" : text.substr(at + 1);
}

bool notice(const Intent& intent) {
  return intent.kind == "notify";
}

HttpOptions with_workspace(HttpOptions options, const Parts& parts, const fs::path& ca_file) {
  options.network.listed = parts.network().listed;
  options.ca_file = ca_file;
  return options;
}

// What a run's document says of it, as the tables are now.
Json document_of(Engine& engine, const std::string& run) {
  std::optional<RunRecord> record =
      run.empty() || run == "-" ? std::nullopt : engine.store().run(run);
  return record ? record->document : Json();
}

}  // namespace

std::string receiver_name(const NotificationSpec& spec) {
  std::string what = spec.url;
  for (const std::string& word : spec.command) what += '\n' + word;
  return sha256(what).hex().substr(0, 16);
}

bool Outbox::carries(const std::string& kind) {
  return kind == "status" || kind == "comment" || kind == "notify";
}

Outbox::~Outbox() {
  stop();
}

void Outbox::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (auto& [name, lane] : lanes_) {
    if (lane->thread.joinable()) lane->thread.join();
  }
}

// "status source", "notify receiver": comments of a source go with its statuses.
std::string Outbox::lane_of(const Intent& intent) {
  return notice(intent) ? "notify " + after(intent.target, '/') : before(intent.target, '@');
}

void Outbox::act(const Intent& intent) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stop_) return;
    std::unique_ptr<Lane>& lane = lanes_[lane_of(intent)];
    if (!lane) {
      lane = std::make_unique<Lane>();
      lane->thread = std::thread([this, mine = lane.get()] { loop(*mine); });
    }
    lane->waiting.push_back({intent, now_ms(), 0, 0, ""});
  }
  changed_.notify_all();
}

bool Outbox::settled(int64_t wait_ms) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, std::chrono::milliseconds(wait_ms), [&] {
    return std::none_of(lanes_.begin(), lanes_.end(), [](const auto& one) {
      const Lane& lane = *one.second;
      const bool fresh = std::any_of(lane.waiting.begin(), lane.waiting.end(),
                                     [](const Pending& pending) { return pending.tries == 0; });
      return lane.busy || (fresh && lane.away == 0);
    });
  });
}

Json Outbox::troubles() {
  std::lock_guard<std::mutex> lock(mutex_);
  Json all = Json::array();
  for (const auto& [name, lane] : lanes_) {
    for (const Pending& one : lane->waiting) {
      if (one.error.empty()) continue;
      all.push_back({{"what", one.intent.kind},
                     {"target", one.intent.target},
                     {"error", one.error},
                     {"tries", one.tries},
                     {"given_up", false}});
    }
  }
  for (const Json& one : given_up_) all.push_back(one);
  return all;
}

void Outbox::loop(Lane& lane) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stop_) {
    int64_t wait_ms = 60'000;
    std::optional<Pending> next = due(lane, wait_ms);
    if (!next) {
      changed_.wait_for(lock, std::chrono::milliseconds(wait_ms));
      continue;
    }
    lane.busy = true;
    lock.unlock();
    perform(std::move(*next), lane);
    lock.lock();
    lane.busy = false;
    changed_.notify_all();
  }
}

// In the order they were made; the caller holds the lock.
std::optional<Outbox::Pending> Outbox::due(Lane& lane, int64_t& wait_ms) {
  const int64_t now = now_ms();
  for (auto one = lane.waiting.begin(); one != lane.waiting.end(); ++one) {
    const int64_t at_ms = std::max(one->not_before_ms, lane.not_before_ms);
    if (at_ms <= now) {
      Pending next = std::move(*one);
      lane.waiting.erase(one);
      return next;
    }
    wait_ms = std::min(wait_ms, at_ms - now);
  }
  return std::nullopt;
}

void Outbox::perform(Pending pending, Lane& lane) {
  ++pending.tries;
  try {
    Json data = act_on(pending.intent);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      lane.away = 0;
      lane.not_before_ms = 0;
    }
    done(pending, "", std::move(data));
  } catch (const Error& error) {
    again(std::move(pending), lane, error);
  } catch (const std::exception& error) {
    again(std::move(pending), lane,
          Error(ErrorCode::kUnavailable, fmt::format("unexpected: {}", error.what())));
  }
}

// What is away is tried again after 0.5 s, 1 s, …; what is refused, rarely: only a person can mend
// that. Both are said once.
void Outbox::again(Pending pending, Lane& lane, const Error& error) {
  const bool away = error.code == ErrorCode::kUnavailable;
  const int64_t now = now_ms();
  const bool old = now - pending.first_ms > kPatience_ms;
  const bool gone = notice(pending.intent) && error.code == ErrorCode::kNotFound;
  if ((old && !(away && !notice(pending.intent))) || gone) {
    return done(pending, error.what(), Json::object());
  }
  if (pending.error.empty()) {
    spdlog::warn("{} {} is tried again: {}", pending.intent.kind, pending.intent.target,
                 error.what());
  }
  pending.error = error.what();
  std::lock_guard<std::mutex> lock(mutex_);
  const int64_t longest = notice(pending.intent) ? kLongestWait_ms : kLongestPause_ms;
  if (away) {
    lane.not_before_ms = now + std::min(longest, int64_t{500} << std::min(lane.away, 20));
    ++lane.away;
    lane.waiting.push_front(std::move(pending));
  } else {
    pending.not_before_ms = now + kRefusedPause_ms;
    lane.waiting.push_back(std::move(pending));
  }
}

void Outbox::done(const Pending& pending, const std::string& error, Json data) {
  if (!error.empty()) {
    spdlog::error("{} {} is given up: {}", pending.intent.kind, pending.intent.target, error);
    std::lock_guard<std::mutex> lock(mutex_);
    given_up_.push_back({{"what", pending.intent.kind},
                         {"target", pending.intent.target},
                         {"error", error},
                         {"tries", pending.tries},
                         {"given_up", true}});
    if (given_up_.size() > kGivenUpKept) given_up_.pop_front();
  }
  daemon_.tell({pending.intent.id, pending.intent.kind, pending.intent.target, error.empty(), error,
                std::move(data)});
}

Json Outbox::act_on(const Intent& intent) {
  if (intent.kind == "status")
    return set_status(before(intent.target, '@'), after(intent.target, '@'));
  return intent.kind == "comment" ? comment(intent.target) : notify(intent.target);
}

// ---- forges

// Null: the source has left, or nobody is told of it any more.
const SourceSpec* Outbox::told(const std::string& source) const {
  for (const SourceSpec& spec : daemon_.parts().workspace().sources) {
    if (spec.name == source && spec.status) return &spec;
  }
  return nullptr;
}

ForgeTarget Outbox::target_of(const SourceSpec& spec) const {
  const StatusSpec& status = *spec.status;
  ForgeTarget target;
  target.forge = forge_named(status.forge);
  target.place = spec.place;
  target.api = status.api;
  if (!status.repository.empty()) {
    const Url api = parse_url(status.api);
    target.place = "https://" + api.authority() + "/" + status.repository;
  }
  target.token = daemon_.parts().token(spec);
  return target;
}

std::string Outbox::link_to(const Json& run) const {
  const std::string& url = daemon_.parts().workspace().public_url;
  return url.empty() || !run.is_object() ? ""
                                         : url + "/v1/runs/" + run.at("run").get<std::string>();
}

Json Outbox::set_status(const std::string& source, const std::string& commit) {
  const SourceSpec* spec = told(source);
  if (!spec) return Json::object();
  auto [run, document] = daemon_.in_loop([&](Engine& engine) {
    const std::string id = engine.store().get("status/" + source + "@" + commit);
    return std::pair(id, document_of(engine, id));
  });
  if (run.empty()) return Json::object();  // the last word was heard
  Verdict verdict = verdict_of(document);
  if (run.front() == '>') {
    verdict = {StatusState::kCancelled, "superseded by run " + run.substr(1)};
  }
  const ForgeTarget target = target_of(*spec);
  CommitStatus status{commit, verdict.state, "lockstep", verdict.line, link_to(document)};
  HttpClient http(with_workspace(forge_options(target), daemon_.parts(), spec->status->ca_file));
  send_status(http, target, status);
  return {{"final", verdict.state != StatusState::kPending}};
}

Json Outbox::comment(const std::string& mark) {
  const Variant branch = Variant::parse(mark);
  const SourceSpec* spec = told(branch.source);
  if (!spec) return Json::object();
  auto [known, document] = daemon_.in_loop([&](Engine& engine) {
    auto previews = engine.previews();
    auto found = previews.find(mark);
    const bool there = found != previews.end();
    return std::pair(there, there ? document_of(engine, found->second.value("run", "")) : Json());
  });
  if (!known) return Json::object();  // the branch is gone
  const ForgeTarget target = target_of(*spec);
  HttpClient http(with_workspace(forge_options(target), daemon_.parts(), spec->status->ca_file));
  const std::optional<int64_t> number = pull_request_of(http, target, branch.name);
  if (!number) return Json::object();
  set_comment(http, target, *number, "<!-- lockstep:" + daemon_.parts().owner() + " -->",
              comment_of(document, link_to(document)));
  return {{"pull_request", *number}};
}

// ---- notifications

Json Outbox::notify(const std::string& target) {
  const std::string kept =
      daemon_.in_loop([&](Engine& engine) { return engine.store().get("notify/" + target); });
  const std::string receiver = after(target, '/');
  const NotificationSpec* spec = nullptr;
  for (const NotificationSpec& one : daemon_.parts().workspace().notifications) {
    if (receiver_name(one) == receiver) spec = &one;
  }
  if (kept.empty() || !spec) return Json::object();  // was told, or nobody is to be told any more
  Json document = parse_json(kept, "a notification");
  const int64_t age_ms = now_ms() - parse_time(document.at("timestamp").get<std::string>());
  // The same for every try and after every restart; another one in a workspace restored from
  // before.
  const std::string id =
      "msg_" + sha256(daemon_.parts().owner() + target + kept).hex().substr(0, 32);
  if (document.at("data").contains("run")) {
    document["data"]["link"] = link_to(document.at("data"));
  }
  const std::string body = canonical_json(document);
  try {
    if (!spec->command.empty()) {
      run_command(*spec, id, body);
    } else {
      HttpClient http(with_workspace(notice_options(spec->url), daemon_.parts(), spec->ca_file));
      send_notice(http, spec->url, daemon_.parts().secret_of(*spec), {id, now_ms() / 1000, body});
    }
  } catch (const Error& error) {
    if (age_ms <= kPatience_ms) throw;
    throw Error(ErrorCode::kNotFound, std::string("for a day now: ") + error.what());
  }
  return Json::object();
}

void Outbox::run_command(const NotificationSpec& spec, const std::string& id,
                         const std::string& body) {
  ProcessRequest request;
  request.argv = spec.command;
  request.env.emplace();
  for (const char* name : {"PATH", "HOME", "LANG"}) {
    if (const char* value = std::getenv(name)) request.env->emplace_back(name, value);
  }
  request.env->emplace_back("LOCKSTEP_NOTIFICATION", id);
  request.folder = daemon_.parts().workspace().folder.string();
  request.input = body;
  request.timeout_ms = kCommand_ms;
  request.max_output_bytes = 64 << 10;
  request.keep_newest = true;
  const ProcessResult result = run_process(request);
  if (result.ok()) return;
  throw Error(ErrorCode::kUnavailable,
              result.timed_out
                  ? fmt::format("{} took more than 30 s", printable(spec.command.front()))
                  : fmt::format("{} ended with {}: {}", printable(spec.command.front()),
                                result.exit_code, printable(result.err)),
              "it has taken the notification when it exits with 0");
}

}  // namespace lockstep
