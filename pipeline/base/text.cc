#include "pipeline/base/text.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cctype>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

std::string printable(std::string_view text, size_t max_bytes) {
  const bool cut = text.size() > max_bytes;
  size_t end = std::min(text.size(), max_bytes);
  while (cut && end > 0 && (text[end] & 0xc0) == 0x80) --end;
  std::string out(text.substr(0, end));
  const bool utf8 = valid_utf8(out);
  for (size_t i = 0; i < out.size(); ++i) {
    const auto c = static_cast<unsigned char>(out[i]);
    const bool c1 =
        i > 0 && c >= 0x80 && c < 0xa0 && static_cast<unsigned char>(out[i - 1]) == 0xc2;
    if (c < 0x20 || c == 0x7f || (!utf8 && c >= 0x80)) out[i] = '?';
    if (utf8 && c1) out.replace(i - 1, 2, "??");
  }
  return cut ? out + "…" : out;
}

std::string base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');  // the library ends it with a NUL
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                  reinterpret_cast<const unsigned char*>(bytes.data()),
                  static_cast<int>(bytes.size()));
  out.pop_back();
  return out;
}

std::string base64_bytes(std::string_view text) {
  const Error bad(ErrorCode::kInvalid, "not base64", "expected RFC 4648 base64 with padding");
  if (text.size() % 4 != 0) throw bad;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const size_t padding = !last ? 0 : text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
    uint32_t word = 0;
    for (size_t k = 0; k < 4; ++k) {
      const int digit = k + padding >= 4 ? 0 : base64_digit(text[i + k]);
      if (digit < 0) throw bad;
      word = word << 6 | static_cast<uint32_t>(digit);
    }
    const char bytes[3] = {static_cast<char>(word >> 16), static_cast<char>(word >> 8),
                           static_cast<char>(word)};
    out.append(bytes, 3 - padding);
    if (word & ((1u << (8 * padding)) - 1)) throw bad;
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    bool unreserved =
        std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += c;
    } else {
      auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

}  // namespace lockstep
