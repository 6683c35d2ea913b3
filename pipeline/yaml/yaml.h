// A YAML document as a plain value tree in which every node and key knows its place.
// Knows nothing of workflows, workspaces or of the library that reads the text.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/yaml/diagnostics.h"

namespace lockstep {

// What a hostile file may cost. A document over a limit is refused, naming the limit.
struct YamlLimits {
  size_t max_bytes = 1 << 20;     // of the text
  size_t max_nodes = 100'000;     // of the tree with every alias expanded
  size_t max_expanded = 4 << 20;  // bytes of all scalars with every alias expanded
  int max_depth = 64;
};

enum class YamlKind { kNull, kScalar, kList, kMap };

struct YamlEntry;

class YamlNode {
 public:
  YamlNode() = default;

  YamlKind kind() const { return kind_; }
  bool is_null() const { return kind_ == YamlKind::kNull; }
  bool is_scalar() const { return kind_ == YamlKind::kScalar; }
  bool is_list() const { return kind_ == YamlKind::kList; }
  bool is_map() const { return kind_ == YamlKind::kMap; }

  // The text of a scalar ("" otherwise), and whether it was quoted or a block scalar, which makes
  // it text whatever it looks like.
  const std::string& text() const { return text_; }
  bool quoted() const { return quoted_; }
  const std::vector<YamlNode>& items() const { return items_; }
  const std::vector<YamlEntry>& entries() const { return entries_; }  // in the file's order
  // The value under `key`, or nullptr.
  const YamlNode* find(std::string_view key) const;
  Place place() const;

 private:
  friend class YamlBuilder;
  YamlKind kind_ = YamlKind::kNull;
  bool quoted_ = false;
  int line_ = 1;
  int column_ = 1;
  std::shared_ptr<const std::string> file_;
  std::string text_;
  std::vector<YamlNode> items_;
  std::vector<YamlEntry> entries_;
};

struct YamlEntry {
  std::string key;
  Place key_place;
  YamlNode value;
};

// Reads exactly one document (an empty text is a null node). Refused with place: more than one
// document, a key twice in a map (both places), keys that are not text, merge keys, tags, an alias
// inside its own anchor, text that is not UTF-8 or holds control characters, anything over a
// limit, syntax errors. Throws Error{invalid}; `file` is only a name for messages.
YamlNode load_yaml(std::string_view text, std::string_view file, YamlLimits limits = {});

// Scalars by the core schema of YAML 1.2 (section 10.3.2): only true and false (also True, TRUE,
// …) are bools, so `no` and `on` are text. nullopt when the node is not of that type, or the
// number does not fit. as_double takes ints too and refuses infinities and NaN.
std::optional<int64_t> as_int(const YamlNode& node);
std::optional<double> as_double(const YamlNode& node);
std::optional<bool> as_bool(const YamlNode& node);
// Text: quoted, or plain and neither null, bool nor number.
std::optional<std::string> as_text(const YamlNode& node);

// "a map", "a list", "text", "an integer", "a number", "true or false", "nothing": for messages.
std::string_view kind_word(const YamlNode& node);

// The node as JSON. Throws Error{invalid} with place for a plain number that JSON or 64 bits
// cannot hold (infinities, NaN, huge integers): quote it to keep it as text.
nlohmann::json to_json(const YamlNode& node);

}  // namespace lockstep
