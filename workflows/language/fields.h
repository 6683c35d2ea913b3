// One YAML map read word by word, so that whatever was not asked for is named at the end.
// Knows nothing of which words there are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/yaml/yaml.h"

namespace lockstep {

class Fields {
 public:
  // `what` names the map in messages: `step "train"`. A node that is no map is an error, and then
  // there are no fields. Both references outlive the object.
  Fields(const YamlNode& map, std::string what, Diagnostics& diagnostics);

  // The value of `key`, or nullptr when it is absent or (an error) empty.
  const YamlNode* take(std::string_view key);
  // As take(); absence is an error that says what belongs there.
  const YamlNode* need(std::string_view key, std::string_view expected);
  bool has(std::string_view key) const { return map_.find(key) != nullptr; }
  // Words of the language that this build does not support yet.
  void not_yet(const std::vector<std::string>& keys);
  // A word people bring along from elsewhere, and what to write instead.
  void instead(std::string_view key, std::string_view hint);
  // Reports every key that nobody asked for.
  void finish();

  bool is_map() const { return map_.is_map(); }
  Place place() const { return map_.place(); }
  const std::string& what() const { return what_; }
  // `"columns" of input "rows"`
  std::string of(std::string_view key) const;

 private:
  const YamlNode& map_;
  std::string what_;
  Diagnostics& diagnostics_;
  std::vector<std::string> known_;    // words that may stand here: offered as the nearest
  std::vector<std::string> refused_;  // already reported
};

// `"x" is not supported yet`, with its place.
void not_supported_yet(const Place& place, std::string_view word, Diagnostics& diagnostics,
                       std::string hint = "");

}  // namespace lockstep
