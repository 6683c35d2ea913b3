// What a step demands and may take: resources, declared environment, time and attempts.
#include <fmt/core.h>

#include <algorithm>

#include "workflows/language/readers.h"
#include "workflows/language/step.h"

namespace lockstep {
namespace {

constexpr int64_t kLongestTimeoutMinutes = 43'200;  // 30 days

}  // namespace

void read_resources(Fields& step_fields, const StepScope& scope, Resources& resources) {
  const YamlNode* node = step_fields.take("resources");
  if (node == nullptr) return;
  Diagnostics& diagnostics = scope.diagnostics;
  Fields fields(*node, step_fields.of("resources"), diagnostics);
  if (const YamlNode* pool = fields.take("pool")) {
    resources.pool = read_name(*pool, fields.of("pool"), diagnostics).value_or("");
    const std::vector<std::string>& pools = scope.sources.pools;
    if (!resources.pool.empty() &&
        std::find(pools.begin(), pools.end(), resources.pool) == pools.end()) {
      diagnostics.error(pool->place(),
                        fmt::format("the workspace has no pool \"{}\"", resources.pool),
                        did_you_mean(resources.pool, scope.sources.pools));
    }
  }
  if (const YamlNode* size = fields.take("memory")) {
    resources.memory_bytes = read_size(*size, fields.of("memory"), diagnostics).value_or(0);
  }
  if (const YamlNode* size = fields.take("gpu-memory")) {
    resources.gpu_memory_bytes = read_size(*size, fields.of("gpu-memory"), diagnostics).value_or(0);
  }
  if (const YamlNode* cpus = fields.take("cpus")) {
    auto count = read_integer(*cpus, fields.of("cpus"), 1, 4096, diagnostics);
    resources.cpus = static_cast<uint32_t>(count.value_or(1));
  }
  fields.finish();
}

void read_environment(Fields& step_fields, const StepScope& scope, EnvironmentSpec& environment) {
  const YamlNode* node = step_fields.take("environment");
  if (node == nullptr) return;
  Diagnostics& diagnostics = scope.diagnostics;
  if (node->text() == "exact") {
    return not_supported_yet(node->place(), "environment: exact", diagnostics);
  }
  Fields fields(*node, step_fields.of("environment"), diagnostics);
  fields.not_yet({"probes", "exact", "image", "device"});
  if (const YamlNode* files = fields.take("files")) {
    environment.files = read_texts(*files, fields.of("files"), diagnostics);
    for (const YamlNode& item : files->items()) {
      if (item.is_scalar() && !item.text().empty())
        check_path(item.text(), item.place(), fields.of("files"), diagnostics);
    }
  }
  fields.finish();
}

void read_limits(Fields& fields, const StepScope& scope, StepTemplate& step) {
  if (const YamlNode* minutes = fields.take("timeout-minutes")) {
    auto count = as_double(*minutes);
    if (count && *count > 0 && *count <= kLongestTimeoutMinutes) {
      step.timeout_ms = std::max<int64_t>(1, static_cast<int64_t>(*count * 60'000));
    } else {
      expected(*minutes, fields.of("timeout-minutes"),
               fmt::format("a number above 0, at most {}", kLongestTimeoutMinutes),
               scope.diagnostics);
    }
  }
  if (const YamlNode* node = fields.take("retry")) {
    Fields retry(*node, fields.of("retry"), scope.diagnostics);
    if (const YamlNode* attempts = retry.need("attempts", "how often it is tried in all")) {
      auto count = read_integer(*attempts, retry.of("attempts"), 1, 100, scope.diagnostics);
      step.attempts = static_cast<int>(count.value_or(1));
    }
    retry.finish();
  }
}

}  // namespace lockstep
