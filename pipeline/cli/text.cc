#include "pipeline/cli/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "pipeline/base/json.h"

namespace lockstep {
namespace {

// Bytes of the UTF-8 character at the start of `text`; 0 where there is none.
size_t character(std::string_view text) {
  auto c = static_cast<unsigned char>(text[0]);
  size_t size = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
  if (size > text.size() || !valid_utf8(text.substr(0, size))) return 0;
  return size;
}

char32_t code_point(std::string_view one) {
  auto c = static_cast<unsigned char>(one[0]);
  if (one.size() == 1) return c;
  char32_t point = c & (0x3f >> (one.size() - 1));
  for (char more : one.substr(1)) point = point << 6 | (static_cast<unsigned char>(more) & 0x3f);
  return point;
}

// Controls (C0, C1, DEL), line and paragraph separators, direction and invisible marks.
bool unsafe(char32_t p) {
  return p < 0x20 || (p >= 0x7f && p < 0xa0) || p == 0x61c || p == 0xfeff ||
         (p >= 0x200b && p <= 0x200f) || (p >= 0x2028 && p <= 0x202e) ||
         (p >= 0x2060 && p <= 0x2069);
}

bool wide(char32_t p) {
  return (p >= 0x1100 && p <= 0x115f) || (p >= 0x2e80 && p <= 0xa4cf) ||
         (p >= 0xac00 && p <= 0xd7a3) || (p >= 0xf900 && p <= 0xfaff) ||
         (p >= 0xfe30 && p <= 0xfe6f) || (p >= 0xff00 && p <= 0xff60) ||
         (p >= 0x1f300 && p <= 0x1faff) || (p >= 0x20000 && p <= 0x3fffd);
}

bool combining(char32_t p) {
  return (p >= 0x300 && p <= 0x36f) || (p >= 0xfe00 && p <= 0xfe0f) || (p >= 0x20d0 && p <= 0x20ff);
}

// Length of "ESC [ digits and ; m" at the start of `text`, or 0.
size_t colour_sequence(std::string_view text) {
  if (text.size() < 3 || text[0] != '\x1b' || text[1] != '[') return 0;
  size_t i = 2;
  while (i < text.size() && (std::isdigit(static_cast<unsigned char>(text[i])) || text[i] == ';')) {
    ++i;
  }
  return i < text.size() && text[i] == 'm' ? i + 1 : 0;
}

// One character made visible; `size` 0: a byte that starts no character.
std::string visible(std::string_view one, size_t size) {
  if (size == 0) return fmt::format("\\x{:02x}", static_cast<unsigned char>(one[0]));
  char32_t point = code_point(one);
  if (unsafe(point)) return fmt::format("\\u{:04x}", static_cast<uint32_t>(point));
  return std::string(one);
}

}  // namespace

std::string clean(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    size_t size = character(text);
    std::string_view one = text.substr(0, std::max<size_t>(size, 1));
    out += visible(one, size);
    text.remove_prefix(one.size());
  }
  return out;
}

std::string clean_log(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    size_t size = colour_sequence(text);
    bool kept = size > 0 || text[0] == '\n' || text[0] == '\t';
    if (!size) size = character(text);
    std::string_view one = text.substr(0, std::max<size_t>(size, 1));
    text.remove_prefix(one.size());
    if (kept) {
      out += one;
    } else if (one == "\r") {  // a progress bar that redraws itself: one line each
      if (!text.empty() && text[0] != '\n') out += '\n';
    } else {
      out += visible(one, size);
    }
  }
  return out;
}

size_t width(std::string_view text) {
  size_t columns = 0;
  while (!text.empty()) {
    size_t size = colour_sequence(text);
    if (!size) {
      size = std::max<size_t>(character(text), 1);
      char32_t point = code_point(text.substr(0, size));
      columns += combining(point) ? 0 : wide(point) ? 2 : 1;
    }
    text.remove_prefix(size);
  }
  return columns;
}

std::string pad(std::string_view text, size_t columns) {
  size_t has = width(text);
  return std::string(text) + std::string(columns > has ? columns - has : 0, ' ');
}

std::string pad_left(std::string_view text, size_t columns) {
  size_t has = width(text);
  return std::string(columns > has ? columns - has : 0, ' ') + std::string(text);
}

std::string cut(std::string_view text, size_t columns) {
  if (width(text) <= columns) return std::string(text);
  std::string out;
  size_t used = 0;
  while (!text.empty()) {
    std::string_view one = text.substr(0, std::max<size_t>(character(text), 1));
    if (used + width(one) + 1 > columns) break;
    used += width(one);
    out += one;
    text.remove_prefix(one.size());
  }
  return columns ? out + "…" : "";
}

std::string thousands(int64_t value) {
  std::string digits = std::to_string(value);
  for (int at = static_cast<int>(digits.size()) - 3; at > (value < 0 ? 1 : 0); at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return digits;
}

std::string plural(int64_t count, std::string_view one) {
  std::string text = thousands(count) + " " + std::string(one);
  if (count == 1) return text;
  bool y = text.size() > 2 && text.back() == 'y' &&
           std::string_view("aeiou").find(text[text.size() - 2]) == std::string_view::npos;
  if (y) text.pop_back();
  return text + (y ? "ies" : "s");
}

std::string duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 0.0995) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  auto whole = static_cast<int64_t>(std::llround(std::min(seconds, 1e15)));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  if (whole < 48 * 3600) return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
  return fmt::format("{} d {} h", whole / 86400, whole % 86400 / 3600);
}

std::string bytes_text(uint64_t count) {
  if (count < 1024) return fmt::format("{} B", count);
  static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(count) / 1024;
  size_t unit = 0;
  for (; value >= 1023.95 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string short_id(std::string_view id) {
  bool digest = id.rfind("sha256:", 0) == 0;
  std::string_view rest = digest ? id.substr(7) : id;
  bool alphanumeric = std::all_of(rest.begin(), rest.end(), [](char c) {
    return std::isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'v');
  });
  if (!alphanumeric) return std::string(id);
  if (digest || rest.size() == 64) return std::string(rest.substr(0, 12));
  // SHA-1 of git, or Dolt's 32 characters of base 32.
  return rest.size() == 40 || rest.size() == 32 ? std::string(rest.substr(0, 7)) : std::string(id);
}

std::string when(std::string_view rfc3339) {
  if (rfc3339.size() < 19 || rfc3339[10] != 'T') return std::string(rfc3339);
  std::string text(rfc3339.substr(0, 19));
  text[10] = ' ';
  return text;
}

std::string decimal(double value) {
  return fmt::format("{:.4g}", value);
}

std::string shell_word(std::string_view text) {
  bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("@%+:,./_-").find(c) != std::string_view::npos;
  });
  if (plain) return std::string(text);
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string join(const std::vector<std::string>& parts, std::string_view between) {
  return fmt::format("{}", fmt::join(parts, between));
}

}  // namespace lockstep
