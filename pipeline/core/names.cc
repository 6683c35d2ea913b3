#include "pipeline/core/names.h"

#include <algorithm>

#include "pipeline/base/digest.h"

namespace lockstep {
namespace {

constexpr size_t kMaxBytes = 128;
constexpr size_t kKeptBytes = 119;  // 119 + '-' + 8 hex digits = 128

bool alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool punctuation(char c) {
  return c == '.' || c == '_' || c == '-';
}

bool hex_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

bool looks_like_a_tag(std::string_view name) {
  if (name.size() != 32 && name.size() != 41) return false;
  if (!hex_digits(name.substr(0, 32))) return false;
  return name.size() == 32 || (name[32] == '-' && hex_digits(name.substr(33)));
}

}  // namespace

bool valid_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxBytes) return false;
  if (punctuation(name[0])) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return alphanumeric(c) || punctuation(c) || c == '~'; });
}

bool valid_channel_name(std::string_view name) {
  return valid_name(name) && name != "champion" && !looks_like_a_tag(name);
}

std::string encode_value(std::string_view value, bool first) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(value.size());
  for (size_t i = 0; i < value.size(); ++i) {
    char c = value[i];
    bool begins = first && i == 0;
    if (alphanumeric(c) || (punctuation(c) && !begins)) {
      out += c;
    } else {
      auto byte = static_cast<unsigned char>(c);
      out += '~';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

std::string bounded_name(std::string encoded) {
  if (encoded.size() <= kMaxBytes) return encoded;
  std::string tail = sha256(encoded).hex().substr(0, 8);
  encoded.resize(kKeptBytes);
  return encoded + '-' + tail;
}

// Greedy, with one way back: on a mismatch the last '*' takes one byte more. Linear in practice,
// never worse than pattern × name.
bool matches(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace lockstep
