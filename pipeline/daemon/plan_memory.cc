#include "pipeline/daemon/plan_memory.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include "pipeline/base/point.h"
#include "pipeline/survey/surveyor.h"

namespace lockstep {
namespace {

constexpr uint64_t kMost_bytes = 256 << 20;
constexpr int64_t kTick_ns = 100'000'000;  // more than a tick of any kernel's file times

// Another build may plan otherwise.
std::string program() {
  struct stat info {};
  if (stat("/proc/self/exe", &info) != 0) return "";
  return fmt::format("{}:{}:{}:{}.{}", info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec);
}

// Names may come to mean another commit: [source, name, commit]. Nothing where one of them could
// not be read.
std::optional<Json> frozen(const Survey& survey) {
  Json all = Json::array();
  for (const auto& [name, commit] : frozen_names(survey)) {
    if (commit.empty()) return std::nullopt;
    all.push_back({name.first, name.second, commit});
  }
  return all;
}

bool same_commits(const SourceSet& sources, const Json& kept) {
  size_t count = 0;
  for (const auto& [name, commit] : kept.at("commits").items()) {
    if (sources.at(name).look() != commit.get<std::string>()) return false;
    ++count;
  }
  for (const Json& one : kept.at("frozen")) {
    if (sources.at(one.at(0)).resolve(one.at(1)) != one.at(2).get<std::string>()) return false;
  }
  return count == sources.tables.size() + sources.code.size();
}

}  // namespace

PlanGround PlanMemory::ground() const {
  int64_t newest_ns = 0;
  std::string artifacts = artifacts_.stamp(&newest_ns);
  Json all = {1, program(), parts_.digest().hex(), store_.revision(), artifacts};
  return {all.dump(), SystemClock().now_ms() * 1'000'000 < newest_ns + kTick_ns};
}

std::optional<std::string> PlanMemory::recall(const SourceSet& sources) const {
  try {
    if (!fs::exists(file())) return std::nullopt;
    std::string all = real_files().read(file(), kMost_bytes);
    size_t head = all.find('\n');
    if (head == std::string::npos) return std::nullopt;
    Json kept = parse_json(std::string_view(all).substr(0, head), "the remembered plan");
    if (kept.at("bytes").get<size_t>() != all.size() - head - 1) return std::nullopt;
    if (kept.at("ground").get<std::string>() != ground().text) return std::nullopt;
    if (!same_commits(sources, kept)) return std::nullopt;
    all.erase(0, head + 1);
    return all;
  } catch (const std::exception& error) {
    // Whatever is wrong, the plan that is made now says it better.
    spdlog::debug("no plan is remembered: {}", error.what());
    return std::nullopt;
  }
}

void PlanMemory::keep(const PlanGround& ground, const Survey& survey,
                      const std::string& document) const {
  std::optional<Json> names = frozen(survey);
  if (ground.may_change || !names || document.size() > kMost_bytes / 2) return;
  Json head = {{"ground", ground.text},
               {"commits", survey.commits},
               {"frozen", *names},
               {"bytes", document.size()}};
  point("plan.remember");
  try {
    real_files().write_atomic(file(), head.dump() + "\n" + document, 0600);
  } catch (const Error& error) {
    spdlog::debug("the plan is not remembered: {}", error.what());
  }
}

}  // namespace lockstep
