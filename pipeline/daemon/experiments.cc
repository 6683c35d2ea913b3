// Experiments that nobody waits for: tags of code that are news, and those by hand that a commit or
// the end of a process came between. As previews of branches one at a time, while nothing else
// runs.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "pipeline/base/text.h"
#include "pipeline/daemon/daemon.h"

namespace lockstep {

// True where some must wait for what is at work.
bool Daemon::look_for_experiments(const std::map<std::string, std::string>& heads) {
  auto [previews, busy] = in_loop(
      [](Engine& engine) { return std::pair(engine.previews(), engine.active() != nullptr); });
  bool waiting = false;
  for (const auto& [mark, kept] : previews) {
    Variant variant = Variant::parse(mark);
    if (variant.kind != VariantKind::kInputs || kept.at("commit") != "") continue;
    waiting = waiting || busy;
    if (busy) continue;
    Trigger trigger;
    trigger.variant = variant;
    trigger.inputs = kept.at("inputs");
    spdlog::info("workflow {} is begun again with {}", variant.source, trigger.inputs.dump());
    busy = begin_experiment(std::move(trigger), {});
  }
  return look_for_tags(heads) || waiting;
}

bool Daemon::look_for_tags(const std::map<std::string, std::string>& heads) {
  constexpr size_t kMostTags = 100'000;
  std::set<std::string> asked = in_loop([](Engine& engine) {
    std::set<std::string> sources;
    for (const auto& [source, patterns] : engine.tags()) sources.insert(source);
    for (const auto& [mark, preview] : engine.previews()) {
      Variant variant = Variant::parse(mark);
      if (variant.kind == VariantKind::kTag) sources.insert(variant.source);
    }
    return sources;
  });
  bool waiting = false;
  for (const std::string& source : asked) {
    if (!heads.count(source)) continue;
    std::map<std::string, std::string> there;
    {
      std::lock_guard<std::mutex> lock(survey_mutex_);
      there = surveyor_->tags(source);
    }
    if (there.size() > kMostTags) {
      if (too_many_tags_.insert(source).second) {
        spdlog::warn("{} has {} tags, more than {}: none is looked at", source, there.size(),
                     kMostTags);
      }
      continue;
    }
    auto [news, busy] = in_loop([&, name = source](Engine& engine) {
      std::vector<TagNews> found = engine.see_tags(name, there);
      return std::pair(std::move(found), engine.active() != nullptr);
    });
    for (const TagNews& one : news) {
      waiting = waiting || busy;
      if (busy) continue;
      spdlog::info("tag {} of {} is at {}", printable(one.name), source, one.commit.substr(0, 7));
      Trigger trigger;
      trigger.variant = {source, one.name, VariantKind::kTag};
      trigger.workflows = one.workflows;
      busy = begin_experiment(std::move(trigger), {{source, one.commit}});
    }
  }
  return waiting;
}

// True where a run has begun. What can't be planned is said once.
bool Daemon::begin_experiment(Trigger trigger, const std::map<std::string, std::string>& commits) {
  trigger.kind = "preview";
  trigger.who = "lockstep";
  Variant variant = trigger.variant;
  std::optional<Error> error = have_planned({std::move(trigger), commits, nullptr});
  if (error && error->code != ErrorCode::kUnavailable) {
    in_loop([&](Engine& engine) {
      if (variant.kind == VariantKind::kInputs) return engine.forget_preview(variant);
      engine.settle_preview(variant, commits.at(variant.source), nullptr);
    });
  }
  return in_loop([](Engine& engine) { return engine.active() != nullptr; });
}

}  // namespace lockstep
