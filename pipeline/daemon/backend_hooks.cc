// Deliveries of forges: verified, remembered, and then a reason to look; never more.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "connectors/forge/hook.h"
#include "pipeline/base/point.h"
#include "pipeline/daemon/backend.h"

namespace lockstep {
namespace {

std::string ci_key(const std::string& source, const std::string& commit, const std::string& check) {
  return "ci/" + source + "/" + commit + "/" + check;
}

std::string seen_key(const std::string& hook, const std::string& mark) {
  return "delivery/" + hook + "/" + mark;
}

// Marks it as seen, and keeps what CI said. Throws conflict where it was seen before.
void remember(Engine& engine, const HookSource& hook, const Delivery& delivery) {
  for (const std::string& mark : delivery.marks) {
    if (engine.store().get(seen_key(hook.name, mark)).empty()) continue;
    throw Error(ErrorCode::kConflict, "this delivery was here before",
                "nothing is lost: it was taken then");
  }
  point("hook.remember");
  std::string now = std::to_string(engine.now_ms());
  for (const std::string& mark : delivery.marks) {
    engine.store().set(seen_key(hook.name, mark), now);
  }
  // CI of a fork's request says nothing of a commit that is ours.
  if (delivery.ci && !delivery.from_fork) {
    engine.store().set(ci_key(hook.source, delivery.ci->commit, delivery.ci->name),
                       now + " " + delivery.ci->conclusion);
  }
}

}  // namespace

bool is_green(Engine& engine, const std::string& source, const std::string& commit,
              const std::string& check) {
  std::string said = engine.store().get(ci_key(source, commit, check));
  return said.substr(said.find(' ') + 1) == "success";
}

void forget_old_deliveries(Engine& engine) {
  constexpr int64_t kKept_ms = 90ll * 86'400'000;
  for (const char* prefix : {"delivery/", "ci/"}) {
    for (const auto& [key, value] : engine.store().all(prefix)) {
      if (std::stoll(value) + kKept_ms < engine.now_ms()) engine.store().set(key, "");
    }
  }
}

Json WorkspaceBackend::hook(const std::string& name, const HookBytes& bytes) {
  const HookSource* hook = nullptr;
  for (const HookSource& one : daemon_.parts().workspace().hooks) {
    if (one.name == name) hook = &one;
  }
  if (!hook) throw Error(ErrorCode::kNotFound, "there is no such hook");
  HookRequest request;
  request.headers = bytes.headers;
  request.body = bytes.body;
  request.received_ms = SystemClock().now_ms();
  Delivery delivery;
  try {
    delivery = read_delivery(daemon_.parts().hook(*hook), request);
  } catch (const Error& error) {
    // Anybody may send as many as he likes: the log must stay readable, and the disk free.
    if (auto times = refused_.due(name, request.received_ms)) {
      std::string more = *times > 1 ? fmt::format(" ({} since the last line)", *times) : "";
      spdlog::warn("a delivery to hook {} is refused: {}{}", name, error.what(), more);
    }
    daemon_.metrics().delivered(name, std::string(word(error.code)));
    throw;
  }
  point("hook.verified");
  try {
    daemon_.in_loop([&](Engine& engine) {
      remember(engine, *hook, delivery);
      // A request may come after the preview that it is to show.
      if (delivery.event != HookEvent::kPullRequest || delivery.from_fork) return;
      for (const HookRef& ref : delivery.refs) engine.comment({hook->source, ref.branch});
    });
  } catch (const Error& error) {
    daemon_.metrics().delivered(name, std::string(word(error.code)));
    throw;
  }
  point("hook.durable");
  daemon_.metrics().delivered(name, "accepted");
  daemon_.hint();
  return {{"hook", name}, {"event", word(delivery.event)}, {"source", hook->source}};
}

Json WorkspaceBackend::look(const std::string& source) {
  if (!source.empty()) {
    std::lock_guard<std::mutex> lock(daemon_.sources_mutex());
    daemon_.sources().at(source);  // throws not_found
  }
  daemon_.look_now();
  return daemon_.in_loop([](Engine& engine) {
    return Json{{"run", engine.active() ? Json(engine.active()->record.id) : Json()}};
  });
}

}  // namespace lockstep
