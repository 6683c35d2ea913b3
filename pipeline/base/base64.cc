#include "pipeline/base/base64.h"

#include <cstdint>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

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

}  // namespace lockstep
