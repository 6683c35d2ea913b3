#include "pipeline/yaml/yaml.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>

#include "pipeline/base/json.h"

namespace lockstep {
namespace {

bool digits(std::string_view text, std::string_view allowed = "0123456789") {
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

std::string_view without_sign(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return text;
}

bool has_prefix(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// [-+]?[0-9]+ | 0o[0-7]+ | 0x[0-9a-fA-F]+
bool looks_int(std::string_view text) {
  if (has_prefix(text, "0o")) return digits(text.substr(2), "01234567");
  if (has_prefix(text, "0x")) return digits(text.substr(2), "0123456789abcdefABCDEF");
  return digits(without_sign(text));
}

// [-+]?( \.[0-9]+ | [0-9]+(\.[0-9]*)? )([eE][-+]?[0-9]+)?
bool looks_decimal(std::string_view text) {
  text = without_sign(text);
  size_t e = text.find_first_of("eE");
  if (e != std::string_view::npos) {
    if (!digits(without_sign(text.substr(e + 1)))) return false;
    text = text.substr(0, e);
  }
  size_t dot = text.find('.');
  if (dot == std::string_view::npos) return digits(text);
  std::string_view before = text.substr(0, dot);
  std::string_view after = text.substr(dot + 1);
  return (digits(before) && (after.empty() || digits(after))) || (before.empty() && digits(after));
}

bool looks_special(std::string_view text) {
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return true;
  text = without_sign(text);
  return text == ".inf" || text == ".Inf" || text == ".INF";
}

bool looks_number(std::string_view text) {
  return looks_int(text) || looks_decimal(text) || looks_special(text);
}

bool plain(const YamlNode& node) {
  return node.is_scalar() && !node.quoted();
}

[[noreturn]] void refuse_number(const YamlNode& node) {
  throw Error(ErrorCode::kInvalid,
              fmt::format("the number {} cannot be kept exactly", shown(node.text())),
              "quote it to keep it as text", node.place().str());
}

nlohmann::json scalar_json(const YamlNode& node) {
  if (node.quoted() || !looks_number(node.text())) {
    if (auto value = as_bool(node)) return *value;
    return node.text();
  }
  if (looks_int(node.text())) {
    auto value = as_int(node);
    if (!value) refuse_number(node);
    return *value;
  }
  auto value = as_double(node);
  if (!value) refuse_number(node);
  return *value;
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const YamlEntry& entry : entries_) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

Place YamlNode::place() const {
  return {file_ ? *file_ : std::string(), line_, column_};
}

std::optional<int64_t> as_int(const YamlNode& node) {
  if (!plain(node) || !looks_int(node.text())) return std::nullopt;
  std::string_view text = node.text();
  int base = has_prefix(text, "0o") ? 8 : has_prefix(text, "0x") ? 16 : 10;
  if (base != 10) text.remove_prefix(2);
  if (text[0] == '+') text.remove_prefix(1);
  int64_t value = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> as_double(const YamlNode& node) {
  if (!plain(node)) return std::nullopt;
  if (auto whole = as_int(node)) return static_cast<double>(*whole);
  if (!looks_decimal(node.text())) return std::nullopt;
  std::string_view text = node.text();
  if (text[0] == '+') text.remove_prefix(1);
  double value = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<bool> as_bool(const YamlNode& node) {
  if (!plain(node)) return std::nullopt;
  const std::string& text = node.text();
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  return std::nullopt;
}

std::optional<std::string> as_text(const YamlNode& node) {
  if (!node.is_scalar()) return std::nullopt;
  if (!node.quoted() && (as_bool(node) || looks_number(node.text()))) return std::nullopt;
  return node.text();
}

std::string_view kind_word(const YamlNode& node) {
  if (node.is_map()) return "a map";
  if (node.is_list()) return "a list";
  if (node.is_null()) return "nothing";
  if (as_text(node)) return "text";
  if (as_bool(node)) return "true or false";
  return looks_int(node.text()) ? "an integer" : "a number";
}

nlohmann::json to_json(const YamlNode& node) {
  switch (node.kind()) {
    case YamlKind::kNull:
      return nullptr;
    case YamlKind::kScalar:
      return scalar_json(node);
    case YamlKind::kList: {
      auto list = nlohmann::json::array();
      for (const YamlNode& item : node.items()) list.push_back(to_json(item));
      return list;
    }
    case YamlKind::kMap:
      break;
  }
  auto map = nlohmann::json::object();
  for (const YamlEntry& entry : node.entries()) map[entry.key] = to_json(entry.value);
  return map;
}

}  // namespace lockstep
