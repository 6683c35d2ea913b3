#include "connectors/forge/headers.h"

#include <fmt/format.h>

#include <algorithm>

#include "connectors/forge/names.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr size_t kMaxHeaders = 200;
constexpr size_t kMaxValueBytes = 8192;

std::string trimmed(std::string_view text) {
  const size_t from = std::min(text.find_first_not_of(" \t"), text.size());
  const size_t to = text.find_last_not_of(" \t");
  return to == text.npos ? "" : std::string(text.substr(from, to + 1 - from));
}

}  // namespace

HookHeaders::HookHeaders(const std::vector<std::pair<std::string, std::string>>& all) {
  if (all.size() > kMaxHeaders) {
    throw Error(ErrorCode::kInvalid, fmt::format("{} headers are too many", all.size()));
  }
  for (const auto& [name, value] : all) {
    std::string kept = trimmed(value);
    if (kept.size() > kMaxValueBytes || has_control(kept)) {
      throw Error(
          ErrorCode::kInvalid,
          fmt::format("the header {} is too long or has control characters", printable(name, 64)));
    }
    all_.emplace_back(lower_case(name), std::move(kept));
  }
}

std::string HookHeaders::one(std::string_view name) const {
  const std::string wanted = lower_case(name);
  const std::string* found = nullptr;
  for (const auto& [key, value] : all_) {
    if (key != wanted) continue;
    if (found) {
      throw Error(ErrorCode::kInvalid, fmt::format("the header {} occurs twice", wanted));
    }
    found = &value;
  }
  return found ? *found : "";
}

bool HookHeaders::has(std::string_view name) const {
  return !one(name).empty();
}

}  // namespace lockstep
