#include "pipeline/base/text.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cctype>

#include "pipeline/base/json.h"

namespace lockstep {

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
