// The headers of one delivery, looked up by name without regard to case.
// Knows nothing of what they mean.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockstep {

class HookHeaders {
 public:
  // Throws invalid: over 200 headers, or a value over 8,192 bytes or with control characters.
  explicit HookHeaders(const std::vector<std::pair<std::string, std::string>>& all);

  // The one value, without space around it; empty when absent. Throws invalid when it occurs twice:
  // which of them a proxy in front has read is anybody's guess.
  std::string one(std::string_view name) const;
  bool has(std::string_view name) const;  // and is not empty

 private:
  std::vector<std::pair<std::string, std::string>> all_;  // names in lower case
};

}  // namespace lockstep
