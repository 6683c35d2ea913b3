#include "pipeline/base/text.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cctype>

#include "pipeline/base/json.h"

namespace lockstep {
namespace {

constexpr std::string_view kNoWidth = "\u200b";  // between two letters: they are no word together

// Bytes of a mark that turns the direction of text (Unicode, Bidi_Control) at `at`, or 0.
size_t turning_mark(std::string_view text, size_t at) {
  for (std::string_view begin : {"\xe2\x80", "\xe2\x81", "\xd8\x9c"}) {
    if (text.substr(at, 2) != begin) continue;
    if (begin == "\xd8\x9c") return 2;
    const int last = at + 2 < text.size() ? static_cast<unsigned char>(text[at + 2]) : 0;
    const bool turns = begin == "\xe2\x80" ? last == 0x8e || last == 0x8f || (last & ~7) == 0xa8
                                           : last >= 0xa6 && last <= 0xa9;
    return turns ? 3 : 0;
  }
  return 0;
}

// "www" begins a link by itself in GFM.
bool ends_in_www(std::string_view text) {
  if (text.size() < 3) return false;
  return std::all_of(text.end() - 3, text.end(), [](char c) { return (c | 32) == 'w'; });
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

std::string markdown_text(std::string_view text, size_t max_bytes) {
  const std::string shown = printable(text, max_bytes);
  std::string out;
  for (size_t i = 0; i < shown.size(); ++i) {
    const char c = shown[i];
    if (const size_t mark = turning_mark(shown, i)) {
      out += '?';
      i += mark - 1;
    } else if (c == '<' || c == '>' || c == '&') {
      out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : "&amp;";
    } else {
      if (c == '.' && ends_in_www(std::string_view(shown).substr(0, i))) out += kNoWidth;
      if (std::string_view("\\`*_{}[]()#+!|~@:$").find(c) != std::string_view::npos) {
        out += '\\';
      }
      out += c;
      if (c == '@' || c == '#') out += kNoWidth;  // calls nobody, names no issue
    }
  }
  return out;
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
