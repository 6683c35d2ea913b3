#include "pipeline/base/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

// Number::prototype.toString of ECMA-262, section 6.1.6.1.20, from the shortest digits.
std::string number_text(double value) {
  if (!std::isfinite(value)) throw Error(ErrorCode::kInvalid, "JSON has no NaN and no infinity");
  if (value == 0) return "0";
  char buffer[40];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, std::fabs(value),
                           std::chars_format::scientific);
  std::string_view text(buffer, end.ptr - buffer);
  size_t e = text.find('e');
  std::string digits;
  for (char c : text.substr(0, e)) {
    if (c != '.') digits += c;
  }
  int exponent = std::stoi(std::string(text.substr(e + 1)));
  int count = static_cast<int>(digits.size());
  int point = exponent + 1;  // the value is 0.digits × 10^point
  std::string out;
  if (count <= point && point <= 21) {
    out = digits + std::string(point - count, '0');
  } else if (0 < point && point <= 21) {
    out = digits.substr(0, point) + "." + digits.substr(point);
  } else if (-6 < point && point <= 0) {
    out = "0." + std::string(-point, '0') + digits;
  } else {
    out = digits.substr(0, 1);
    if (count > 1) out += "." + digits.substr(1);
    out += (point > 0 ? "e+" : "e-") + std::to_string(std::abs(point - 1));
  }
  return value < 0 ? "-" + out : out;
}

std::u16string utf16(std::string_view text) {
  std::u16string out;
  for (size_t i = 0; i < text.size();) {
    auto c = static_cast<unsigned char>(text[i]);
    int more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    char32_t point = more == 0 ? c : c & (0x3f >> more);
    for (int k = 1; k <= more; ++k) point = point << 6 | (text[i + k] & 0x3f);
    i += more + 1;
    if (point >= 0x10000) {
      out += static_cast<char16_t>(0xd800 + ((point - 0x10000) >> 10));
      out += static_cast<char16_t>(0xdc00 + ((point - 0x10000) & 0x3ff));
    } else {
      out += static_cast<char16_t>(point);
    }
  }
  return out;
}

class Writer {
 public:
  explicit Writer(bool rfc8785) : rfc8785_(rfc8785) {}

  void write(const Json& value) {
    switch (value.type()) {
      case Json::value_t::object:
        return write_object(value);
      case Json::value_t::array:
        return write_array(value);
      case Json::value_t::string:
        return write_text(value.get_ref<const std::string&>());
      case Json::value_t::boolean:
        out += value.get<bool>() ? "true" : "false";
        return;
      case Json::value_t::number_float:
        out += number_text(value.get<double>());
        return;
      case Json::value_t::number_integer:
      case Json::value_t::number_unsigned:
        out += rfc8785_ ? number_text(value.get<double>()) : value.dump();
        return;
      case Json::value_t::null:
        out += "null";
        return;
      default:
        throw Error(ErrorCode::kInvalid, "JSON value of an unknown kind");
    }
  }

  // RFC 8785 section 3.2.2.2: short escapes where JSON has them, \u00xx for other controls.
  void write_text(const std::string& text) {
    if (!valid_utf8(text)) throw Error(ErrorCode::kInvalid, "text is not valid UTF-8");
    static constexpr char kDigits[] = "0123456789abcdef";
    out += '"';
    for (char c : text) {
      switch (c) {
        case '"':
          out += "\\\"";
          break;
        case '\\':
          out += "\\\\";
          break;
        case '\b':
          out += "\\b";
          break;
        case '\f':
          out += "\\f";
          break;
        case '\n':
          out += "\\n";
          break;
        case '\r':
          out += "\\r";
          break;
        case '\t':
          out += "\\t";
          break;
        default:
          if (static_cast<unsigned char>(c) < 0x20) {
            out += "\\u00";
            out += kDigits[c >> 4];
            out += kDigits[c & 15];
          } else {
            out += c;
          }
      }
    }
    out += '"';
  }

  std::string out;

 private:
  void write_array(const Json& value) {
    out += '[';
    bool first = true;
    for (const Json& item : value) {
      if (!std::exchange(first, false)) out += ',';
      write(item);
    }
    out += ']';
  }

  void write_object(const Json& value) {
    std::vector<std::pair<std::u16string, Json::const_iterator>> order;
    for (auto it = value.begin(); it != value.end(); ++it) {
      if (rfc8785_ && !valid_utf8(it.key())) throw Error(ErrorCode::kInvalid, "key is not UTF-8");
      order.emplace_back(rfc8785_ ? utf16(it.key()) : std::u16string(), it);
    }
    if (rfc8785_) {
      std::stable_sort(order.begin(), order.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
    }
    out += '{';
    bool first = true;
    for (const auto& [unused, it] : order) {
      if (!std::exchange(first, false)) out += ',';
      write_text(it.key());
      out += ':';
      write(it.value());
    }
    out += '}';
  }

  bool rfc8785_;
};

}  // namespace

std::string canonical_json(const Json& value) {
  Writer writer(false);
  writer.write(value);
  return std::move(writer.out);
}

std::string rfc8785_json(const Json& value) {
  Writer writer(true);
  writer.write(value);
  return std::move(writer.out);
}

std::string canonical_text(const std::string& text) {
  Writer writer(false);
  writer.write_text(text);
  return std::move(writer.out);
}

Json parse_json(std::string_view text, std::string_view what) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::kInvalid, std::string(what) + " is not JSON: " + e.what());
  }
}

// Length of the valid sequence that begins `text` (RFC 3629), or 0.
static size_t utf8_length(std::string_view text) {
  auto c = static_cast<unsigned char>(text[0]);
  if (c < 0x80) return 1;
  size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
  if (c < 0xc2 || c > 0xf4 || length > text.size()) return 0;
  uint32_t point = c & (0x7f >> length);
  for (size_t k = 1; k < length; ++k) {
    auto next = static_cast<unsigned char>(text[k]);
    if ((next & 0xc0) != 0x80) return 0;
    point = point << 6 | (next & 0x3f);
  }
  bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  bool surrogate = point >= 0xd800 && point < 0xe000;
  return overlong || surrogate || point > 0x10ffff ? 0 : length;
}

bool valid_utf8(std::string_view text) {
  while (!text.empty()) {
    uint64_t word = 0;  // eight ASCII characters at once
    for (; text.size() >= 8; text.remove_prefix(8)) {
      std::memcpy(&word, text.data(), 8);
      if (word & 0x8080808080808080u) break;
    }
    if (text.empty()) break;
    size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    size_t length = utf8_length(text);
    out += length > 0 ? text.substr(0, length) : "\xef\xbf\xbd";
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

}  // namespace lockstep
