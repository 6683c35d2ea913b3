#include "workflows/language/readers.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace lockstep {
namespace {

constexpr size_t kLongestText = 4096;
constexpr size_t kLongestWord = 64;
constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kAlphanumeric =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

struct Unit {
  std::string_view name;
  uint64_t factor;
};
constexpr Unit kSizes[] = {
    {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30},   {"TiB", 1ull << 40},
    {"kB", 1000},        {"MB", 1'000'000},   {"GB", 1'000'000'000}, {"TB", 1'000'000'000'000}};
constexpr Unit kTimes[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};

bool only(std::string_view text, std::string_view first, std::string_view rest) {
  return !text.empty() && first.find(text[0]) != std::string_view::npos &&
         text.find_first_not_of(rest) == std::string_view::npos;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

// A whole number and its unit; nullopt when it is no such text, is 0, or is over `max`.
template <size_t N>
std::optional<uint64_t> with_unit(std::string_view text, const Unit (&units)[N], uint64_t max) {
  size_t end = std::min(text.find_first_not_of(kDigits), text.size());
  uint64_t count = 0;
  auto [at, failed] = std::from_chars(text.data(), text.data() + end, count);
  if (failed != std::errc() || count == 0) return std::nullopt;
  for (const Unit& unit : units) {
    if (text.substr(end) != unit.name) continue;
    if (count > max / unit.factor) return std::nullopt;
    return count * unit.factor;
  }
  return std::nullopt;
}

// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
bool image_part(std::string_view part) {
  while (true) {
    size_t end = std::min(part.find_first_not_of(kLower), part.size());
    if (end == 0) return false;
    part.remove_prefix(end);
    if (part.empty()) return true;
    size_t gap = std::min(part.find_first_of(kLower), part.size());
    std::string_view separator = part.substr(0, gap);
    bool dashes = separator.find_first_not_of('-') == std::string_view::npos;
    if (!dashes && separator != "." && separator != "_" && separator != "__") return false;
    part.remove_prefix(gap);
  }
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  for (size_t end; (end = text.find(at, begin)) != std::string_view::npos; begin = end + 1) {
    parts.push_back(text.substr(begin, end - begin));
  }
  parts.push_back(text.substr(begin));
  return parts;
}

}  // namespace

void expected(const YamlNode& node, const std::string& what, std::string_view expected,
              Diagnostics& diagnostics) {
  std::string found(kind_word(node));
  if (node.is_list() && node.items().empty()) found = "an empty list";
  if (node.is_map() && node.entries().empty()) found = "an empty map";
  if (node.is_scalar()) found = fmt::format("\"{}\"", shown(node.text()));
  std::string hint;
  if (node.is_scalar() && !as_text(node) && expected.find("text") != std::string_view::npos) {
    hint = fmt::format("quote it: '{}'", shown(node.text()));
  }
  diagnostics.error(node.place(), fmt::format("{} must be {}, not {}", what, expected, found),
                    hint);
}

std::optional<std::string> read_text(const YamlNode& node, const std::string& what,
                                     Diagnostics& diagnostics) {
  auto text = as_text(node);
  if (!text) {
    expected(node, what, "text", diagnostics);
    return std::nullopt;
  }
  if (text->empty() || text->size() > kLongestText ||
      std::any_of(text->begin(), text->end(), is_control)) {
    expected(node, what, "one line of text", diagnostics);
    return std::nullopt;
  }
  if (text->find("${{") != std::string::npos) {
    diagnostics.error(node.place(), fmt::format("{} cannot hold ${{{{ }}}}", what),
                      "values are read in with, env, where, model, registers and renamed-from");
    return std::nullopt;
  }
  return text;
}

bool check_name(std::string_view name, const Place& place, const std::string& what,
                Diagnostics& diagnostics) {
  std::string rest = std::string(kAlphanumeric) + "._-";
  if (name.size() <= 128 && only(name, kAlphanumeric, rest)) return true;
  diagnostics.error(place, fmt::format("{}: \"{}\" is not a name", what, shown(name)),
                    "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most "
                    "128 of them");
  return false;
}

std::optional<std::string> read_name(const YamlNode& node, const std::string& what,
                                     Diagnostics& diagnostics) {
  auto text = read_text(node, what, diagnostics);
  if (text && !check_name(*text, node.place(), what, diagnostics)) return std::nullopt;
  return text;
}

bool check_word(std::string_view word, const Place& place, const std::string& what,
                Diagnostics& diagnostics) {
  std::string first = std::string(kAlphanumeric.substr(0, 52)) + "_";
  std::string rest = std::string(kAlphanumeric) + "_-";
  if (word.size() <= kLongestWord && only(word, first, rest)) return true;
  diagnostics.error(place, fmt::format("{}: \"{}\" is not a name", what, shown(word)),
                    "letters, digits, '_' and '-', beginning with a letter or '_', at most 64");
  return false;
}

bool check_variable(std::string_view name, const Place& place, const std::string& what,
                    Diagnostics& diagnostics) {
  std::string first = std::string(kAlphanumeric.substr(0, 52)) + "_";
  std::string rest = std::string(kAlphanumeric) + "_";
  if (name.size() > kLongestWord || !only(name, first, rest)) {
    diagnostics.error(place, fmt::format("{}: \"{}\" is not a variable's name", what, shown(name)),
                      "letters, digits and '_', not beginning with a digit, at most 64");
    return false;
  }
  if (name.substr(0, 9) != "LOCKSTEP_" && name != "CUDA_VISIBLE_DEVICES") return true;
  diagnostics.error(place, fmt::format("{}: \"{}\" is set by Lockstep itself", what, name),
                    "choose another name");
  return false;
}

std::vector<std::string> read_texts(const YamlNode& node, const std::string& what,
                                    Diagnostics& diagnostics) {
  std::vector<std::string> texts;
  if (!node.is_list() || node.items().empty()) {
    expected(node, what, "a list of texts", diagnostics);
    return texts;
  }
  std::set<std::string> seen;
  for (const YamlNode& item : node.items()) {
    auto text = read_text(item, "an entry of " + what, diagnostics);
    if (!text) continue;
    if (!seen.insert(*text).second) {
      diagnostics.error(item.place(), fmt::format("{} names \"{}\" twice", what, *text));
    }
    texts.push_back(*text);
  }
  return texts;
}

std::optional<std::string> read_choice(const YamlNode& node, const std::string& what,
                                       const std::vector<std::string>& words,
                                       Diagnostics& diagnostics) {
  auto text = as_text(node);
  if (text && std::find(words.begin(), words.end(), *text) != words.end()) return text;
  std::string list;
  for (const std::string& word : words) list += (list.empty() ? "" : ", ") + word;
  std::string found =
      node.is_scalar() ? '"' + shown(node.text()) + '"' : std::string(kind_word(node));
  diagnostics.error(
      node.place(),
      fmt::format("{} must be {}{}, not {}", what, words.size() > 1 ? "one of " : "", list, found),
      did_you_mean(node.text(), words));
  return std::nullopt;
}

std::optional<std::string> read_scalar(const YamlNode& node, const std::string& what,
                                       Diagnostics& diagnostics) {
  if (node.is_scalar()) return node.text();
  expected(node, what, "text, a number, true or false", diagnostics);
  return std::nullopt;
}

std::optional<int64_t> read_integer(const YamlNode& node, const std::string& what, int64_t min,
                                    int64_t max, Diagnostics& diagnostics) {
  auto value = as_int(node);
  if (value && *value >= min && *value <= max) return value;
  expected(node, what, fmt::format("a whole number from {} to {}", min, max), diagnostics);
  return std::nullopt;
}

std::optional<double> read_number(const YamlNode& node, const std::string& what,
                                  Diagnostics& diagnostics) {
  auto value = as_double(node);
  if (!value) expected(node, what, "a number", diagnostics);
  return value;
}

std::optional<bool> read_bool(const YamlNode& node, const std::string& what,
                              Diagnostics& diagnostics) {
  auto value = as_bool(node);
  if (!value) expected(node, what, "true or false", diagnostics);
  return value;
}

std::optional<uint64_t> read_size(const YamlNode& node, const std::string& what,
                                  Diagnostics& diagnostics) {
  auto text = as_text(node);
  auto size = text ? with_unit(*text, kSizes, 1ull << 50) : std::nullopt;
  if (!size) expected(node, what, "a size like 512MiB or 4GiB", diagnostics);
  return size;
}

std::optional<int64_t> read_duration(const YamlNode& node, const std::string& what,
                                     Diagnostics& diagnostics) {
  auto text = as_text(node);
  auto time = text ? with_unit(*text, kTimes, 366ull * 86'400'000) : std::nullopt;
  if (time) return static_cast<int64_t>(*time);
  expected(node, what, "a duration like 30s, 10m, 6h or 1d", diagnostics);
  return std::nullopt;
}

bool check_path(std::string_view path, const Place& place, const std::string& what,
                Diagnostics& diagnostics) {
  std::vector<std::string_view> parts = split(path, '/');
  if (parts.size() > 1 && parts.back().empty()) parts.pop_back();  // `train/` is all below it
  bool good = path.find('\\') == std::string_view::npos;
  for (std::string_view part : parts) {
    good = good && !part.empty() && part != "." && part != ".." && part != ".git";
  }
  if (good) return true;
  diagnostics.error(place,
                    fmt::format("{}: \"{}\" is not a path below the folder", what, shown(path)),
                    "relative, with '/' between its parts, without '.', '..' or '.git'");
  return false;
}

std::optional<std::string> read_path(const YamlNode& node, const std::string& what,
                                     Diagnostics& diagnostics) {
  auto text = read_text(node, what, diagnostics);
  if (text && !check_path(*text, node.place(), what, diagnostics)) return std::nullopt;
  return text;
}

bool valid_image_name(std::string_view name) {
  std::vector<std::string_view> parts = split(name, '/');
  return name.size() <= 128 && std::all_of(parts.begin(), parts.end(), image_part);
}

std::optional<std::string> read_image_name(const YamlNode& node, const std::string& what,
                                           Diagnostics& diagnostics) {
  auto text = read_text(node, what, diagnostics);
  if (!text || valid_image_name(*text)) return text;
  expected(node, what, "an image name like intents or team/intents (lower case)", diagnostics);
  return std::nullopt;
}

}  // namespace lockstep
