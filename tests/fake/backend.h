// A backend that answers documents given as data, keeps what it was asked, and fails or waits on
// request. Knows nothing of what a real workspace would say.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/api/backend.h"
#include "pipeline/base/error.h"

namespace lockstep {

class FakeBackend : public Backend {
 public:
  struct Asked {
    std::string name;  // of the method
    Json arguments;
    Caller caller;
  };

  // Method → its answers in order; the last one stays. A method without any answers {}.
  std::map<std::string, std::deque<Json>> answers;
  std::map<std::string, Error> errors;  // method → what it throws
  std::atomic<bool> waits = false;      // run() answers only when its caller has gone, or at false
  std::function<void(const std::string& method)> before = [](const std::string&) {};

  std::vector<Asked> asked() const {
    std::lock_guard lock(mutex_);
    return asked_;
  }
  Asked last() const {
    std::lock_guard lock(mutex_);
    return asked_.empty() ? Asked{} : asked_.back();
  }

  Json status() override { return answer("status"); }
  Json check() override { return answer("check"); }
  Json plan() override { return answer("plan"); }
  Json start_run(const Json& options, const Caller& caller) override {
    return answer("start_run", options, caller);
  }
  Json run(const std::string& id, int64_t seen, const Patience& patience) override {
    while (!patience.over() && waits) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return answer("run", {{"run", id}, {"seen", seen}, {"wait_ms", patience.wait_ms}});
  }
  Json previews() override { return answer("previews"); }
  Json runs(size_t limit, const std::string& earlier_than) override {
    return answer("runs", {{"limit", limit}, {"before", earlier_than}});
  }
  Json log(const std::string& run, const std::string& step, uint64_t offset,
           const Patience& patience) override {
    return answer(
        "log", {{"run", run}, {"step", step}, {"offset", offset}, {"wait_ms", patience.wait_ms}});
  }
  Json cancel(const std::string& run, const Caller& caller) override {
    return answer("cancel", {{"run", run}}, caller);
  }
  Json retry(const std::string& what, const Caller& caller) override {
    return answer("retry", {{"what", what}}, caller);
  }
  Json trigger(const std::string& workflow, const Json& inputs, const Caller& caller) override {
    return answer("trigger", {{"workflow", workflow}, {"inputs", inputs}}, caller);
  }
  Json promote(const std::string& model, const Json& body, const Caller& caller) override {
    return answer("promote", {{"model", model}, {"body", body}}, caller);
  }
  Json gate(const std::string& model, std::optional<int64_t> version) override {
    return answer("gate", {{"model", model}, {"version", version ? Json(*version) : Json()}});
  }
  Json approve(const std::string& model, const Json& body, const Caller& caller) override {
    return answer("approve", {{"model", model}, {"body", body}}, caller);
  }
  Json approve_change(const Caller& caller) override {
    return answer("approve_change", Json::object(), caller);
  }
  Json adopt(const Json& body, const Caller& caller) override {
    return answer("adopt", body, caller);
  }
  Json version_diff(const VersionName& a, const VersionName& b, size_t limit) override {
    return answer("version_diff", {{"a", a.model},
                                   {"a_version", number(a.version)},
                                   {"b", b.model},
                                   {"b_version", number(b.version)},
                                   {"limit", limit}});
  }
  Json import_ledger(const Json& body, const Caller& caller) override {
    return answer("import_ledger", body, caller);
  }
  Json note(const Json& body, const Caller& caller) override {
    return answer("note", body, caller);
  }
  Json tag(const Json& body, const Caller& caller) override { return answer("tag", body, caller); }
  Json search(const Json& wanted) override { return answer("search", wanted); }
  Json release_keep(const std::string& which, bool keep, const Caller& caller) override {
    return answer("release_keep", {{"which", which}, {"keep", keep}}, caller);
  }
  Json why(const std::string& name) override { return answer("why", {{"name", name}}); }
  Json lag() override { return answer("lag"); }
  Json tables(const TablesWanted& wanted) override {
    return answer("tables",
                  {{"after", wanted.after}, {"limit", wanted.limit}, {"count", wanted.count}});
  }
  Json diff(const std::string& table, const std::string& from, const std::string& to,
            const DiffWanted& wanted) override {
    return answer("diff", {{"table", table},
                           {"from", from},
                           {"to", to},
                           {"slice", wanted.slice},
                           {"where", wanted.where},
                           {"skip", wanted.skip},
                           {"limit", wanted.limit}});
  }
  Json import_sheet(const std::string& name, const Json& options, const Caller& caller) override {
    return answer("import_sheet", {{"name", name}, {"options", options}}, caller);
  }
  Json models() override { return answer("models"); }
  Json model(const std::string& name, std::optional<int64_t> version) override {
    return answer("model", {{"name", name}, {"version", number(version)}});
  }
  Json predict(const std::string& model, std::optional<int64_t> version,
               const Json& body) override {
    return answer("predict", {{"model", model}, {"version", number(version)}, {"body", body}});
  }
  Json rollback(const std::string& model, const Json& body, const Caller& caller) override {
    return answer("rollback", {{"model", model}, {"body", body}}, caller);
  }
  Json pin(const std::string& model, const Json& body, const Caller& caller) override {
    return answer("pin", {{"model", model}, {"body", body}}, caller);
  }
  Json unpin(const std::string& model, const Json& body, const Caller& caller) override {
    return answer("unpin", {{"model", model}, {"body", body}}, caller);
  }
  Json releases(const std::string& channel) override {
    return answer("releases", {{"channel", channel}});
  }
  Json release(const std::string& which, const std::string& at,
               const std::string& channel) override {
    return answer("release", {{"which", which}, {"at", at}, {"channel", channel}});
  }
  Json release_diff(const std::string& a, const std::string& b) override {
    return answer("release_diff", {{"a", a}, {"b", b}});
  }
  Json release_rollback(const std::string& channel, const Json& body,
                        const Caller& caller) override {
    return answer("release_rollback", {{"channel", channel}, {"body", body}}, caller);
  }
  Json release_promote(const std::string& from, const std::string& to,
                       const Caller& caller) override {
    return answer("release_promote", {{"from", from}, {"to", to}}, caller);
  }
  Json release_changelog(const std::string& a, const std::string& b,
                         const std::string& channel) override {
    return answer("release_changelog", {{"a", a}, {"b", b}, {"channel", channel}});
  }
  Json release_provenance(const std::string& which) override {
    return answer("release_provenance", {{"which", which}});
  }
  Json release_sign(const std::string& which, const Caller& caller) override {
    return answer("release_sign", {{"which", which}}, caller);
  }
  Json release_rebuild(const std::string& channel, const Caller& caller) override {
    return answer("release_rebuild", {{"channel", channel}}, caller);
  }
  Json release_push(const std::string& which, const Caller& caller) override {
    return answer("release_push", {{"which", which}}, caller);
  }
  Json release_verify(const std::string& which) override {
    return answer("release_verify", {{"which", which}});
  }
  Json replay(const std::string& model, std::optional<int64_t> version) override {
    return answer("replay", {{"model", model}, {"version", number(version)}});
  }
  Json gc(const Caller& caller) override { return answer("gc", Json::object(), caller); }
  Json doctor(bool deep) override { return answer("doctor", {{"deep", deep}}); }
  Json hook(const std::string& name, const HookBytes& delivery) override {
    return answer("hook", {{"name", name}, {"headers", delivery.headers.size()}});
  }
  Json start_backup(const std::string& to, bool artifacts) override {
    return answer("start_backup", {{"to", to}, {"artifacts", artifacts}});
  }
  Json backup(int64_t seen, const Patience& patience) override {
    return answer("backup", {{"seen", seen}, {"wait_ms", patience.wait_ms}});
  }
  Json look(const std::string& source) override { return answer("look", {{"source", source}}); }
  Json health() override { return answer("health"); }
  Json ready() override { return answer("ready"); }
  EventPage events(int64_t after, size_t limit) override {
    answer("events", {{"after", after}, {"limit", limit}});
    std::lock_guard lock(mutex_);
    EventPage page{kept.empty() ? last_event + 1 : kept.front().id, last_event, {}};
    for (const Event& event : kept) {
      if (event.id > after && page.events.size() < limit) page.events.push_back(event);
    }
    return page;
  }
  std::string metrics() override {
    answer("metrics");
    return "lockstep_up 1\n";
  }
  Json reload() override { return answer("reload"); }
  // The events of the store; under the lock.
  void keep_event(Event event) {
    std::lock_guard lock(mutex_);
    last_event = event.id;
    kept.push_back(std::move(event));
  }
  std::deque<Event> kept;
  int64_t last_event = 0;

  Json tokens() override { return answer("tokens"); }
  Json token_create(const std::string& name, const std::string& role, const std::string& expires,
                    const Caller& caller) override {
    return answer("token_create", {{"name", name}, {"role", role}, {"expires", expires}}, caller);
  }
  Json token_revoke(const std::string& which, const Caller& caller) override {
    return answer("token_revoke", {{"which", which}}, caller);
  }
  Json audit(size_t limit) override { return answer("audit", {{"limit", limit}}); }

 private:
  static Json number(std::optional<int64_t> value) { return value ? Json(*value) : Json(nullptr); }

  Json answer(const std::string& name, const Json& arguments = Json::object(),
              const Caller& caller = {}) {
    {
      std::lock_guard lock(mutex_);
      asked_.push_back({name, arguments, caller});
    }
    before(name);
    std::lock_guard lock(mutex_);
    if (auto error = errors.find(name); error != errors.end()) throw error->second;
    auto it = answers.find(name);
    if (it == answers.end() || it->second.empty()) return Json::object();
    Json document = it->second.front();
    if (it->second.size() > 1) it->second.pop_front();
    return document;
  }

  mutable std::mutex mutex_;
  std::vector<Asked> asked_;
};

}  // namespace lockstep
