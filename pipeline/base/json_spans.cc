#include "pipeline/base/json_spans.h"

#include <bit>
#include <charconv>
#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

constexpr uint64_t kOnes = 0x0101010101010101u;
constexpr uint64_t kHighs = 0x8080808080808080u;

// Not 0 where a quote, a backslash or a control character is among eight bytes: the highest bit of
// the byte, exact up to the first one ("Bit Twiddling Hacks", Sean Eron Anderson: hasless,
// haszero).
uint64_t ends_plain(uint64_t word) {
  uint64_t quote = word ^ (kOnes * '"'), backslash = word ^ (kOnes * '\\');
  return (((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash) |
          ((word - kOnes * 0x20) & ~word)) &
         kHighs;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_high(uint32_t unit) {
  return unit >= 0xd800 && unit < 0xdc00;
}

bool is_low(uint32_t unit) {
  return unit >= 0xdc00 && unit < 0xe000;
}

// Of four hex digits; nothing where they are none.
std::optional<uint32_t> code_unit(std::string_view digits) {
  uint32_t unit = 0;
  if (digits.size() < 4) return std::nullopt;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + 4, unit, 16);
  if (error != std::errc() || end != digits.data() + 4) return std::nullopt;
  return unit;
}

// Goes over a text, from value to value.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {
    if (!valid_utf8(text)) fail();
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void blanks() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\t' || peek() == '\r') ++at_;
  }

  void expect(char c) {
    if (peek() != c) fail();
    ++at_;
  }

  std::string_view key() {
    std::string_view name = string();
    blanks();
    expect(':');
    return name;
  }

  // No recursion: a text may be as deep as it is long.
  std::string_view value() {
    blanks();
    size_t begin = at_;
    std::string open;  // the brackets, innermost last
    do {
      blanks();
      char c = peek();
      if (c == '{' || c == '[') {
        ++at_;
        blanks();
        open += c;
        if (peek() != closing(c)) {
          if (c == '{') key();
          continue;
        }
      } else {
        scalar(c);
      }
      close(open);
    } while (!open.empty());
    return text_.substr(begin, at_ - begin);
  }

  void end() {
    blanks();
    if (at_ != text_.size()) fail();
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(ErrorCode::kInvalid, "it is not JSON at byte " + std::to_string(at_));
  }

  static char closing(char open) { return open == '{' ? '}' : ']'; }

  // Behind a value, or an opening bracket with nothing in it: up to the next value.
  void close(std::string& open) {
    while (!open.empty()) {
      blanks();
      if (peek() == ',') {
        ++at_;
        blanks();
        if (open.back() == '{') key();
        return;
      }
      expect(closing(open.back()));
      open.pop_back();
    }
  }

  void scalar(char c) {
    if (c == '"') {
      string();
    } else if (c == 't' || c == 'f' || c == 'n') {
      word(c == 't' ? "true" : c == 'f' ? "false" : "null");
    } else {
      number();
    }
  }

  void word(std::string_view wanted) {
    if (!text_.substr(at_).starts_with(wanted)) fail();
    at_ += wanted.size();
  }

  void digits() {
    if (!is_digit(peek())) fail();
    while (is_digit(peek())) ++at_;
  }

  void number() {
    size_t begin = at_;
    if (peek() == '-') ++at_;
    bool zero = peek() == '0';
    digits();
    size_t whole = at_ - begin;
    if (zero && whole > (text_[begin] == '-' ? 2u : 1u)) fail();
    if (peek() == '.') {
      ++at_;
      digits();
    }
    bool exponent = peek() == 'e' || peek() == 'E';
    if (exponent) {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      digits();
    }
    // Too great for a double, it is none to parse_json() either.
    constexpr size_t kSurelyFinite = 300;
    if ((exponent || whole > kSurelyFinite) && !Json::accept(text_.substr(begin, at_ - begin))) {
      fail();
    }
  }

  std::string_view string() {
    size_t begin = at_;
    expect('"');
    while (true) {
      plain();
      if (peek() != '\\') break;
      escape();
    }
    expect('"');
    return text_.substr(begin, at_ - begin);
  }

  // Behind the characters that stand for themselves, eight at once.
  void plain() {
    uint64_t word = 0, hits = 0;
    while (hits == 0 && at_ + sizeof word <= text_.size()) {
      std::memcpy(&word, text_.data() + at_, sizeof word);
      hits = ends_plain(word);
      if (hits == 0) at_ += sizeof word;
    }
    if (hits != 0 && std::endian::native == std::endian::little) {
      at_ += static_cast<size_t>(std::countr_zero(hits)) / 8;
      return;
    }
    while (static_cast<unsigned char>(peek()) >= 0x20 && peek() != '"' && peek() != '\\') ++at_;
  }

  void escape() {
    ++at_;
    char c = peek();
    if (c == '\0' || !std::strchr("\"\\/bfnrtu", c)) fail();
    ++at_;
    if (c != 'u') return;
    uint32_t unit = unit_here();
    if (is_low(unit)) fail();
    if (!is_high(unit)) return;
    expect('\\');
    expect('u');
    if (!is_low(unit_here())) fail();
  }

  uint32_t unit_here() {
    std::optional<uint32_t> unit = code_unit(text_.substr(at_));
    if (!unit) fail();
    at_ += 4;
    return *unit;
  }

  std::string_view text_;
  size_t at_ = 0;
};

void append_utf8(std::string& out, uint32_t point) {
  auto more = [&](int shift) { out += static_cast<char>(0x80 | ((point >> shift) & 0x3f)); };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xc0 | point >> 6);
    more(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xe0 | point >> 12);
    more(6);
    more(0);
  } else {
    out += static_cast<char>(0xf0 | point >> 18);
    more(12);
    more(6);
    more(0);
  }
}

// `escaped` begins with a backslash; takes what stands for one character away.
void unescape(std::string& out, std::string_view& escaped) {
  static constexpr std::string_view kLetters = "bfnrt", kControls = "\b\f\n\r\t";
  char c = escaped[1];
  if (c != 'u') {
    size_t control = kLetters.find(c);
    out += control == std::string_view::npos ? c : kControls[control];
    escaped.remove_prefix(2);
    return;
  }
  uint32_t point = code_unit(escaped.substr(2)).value_or(0);
  escaped.remove_prefix(6);
  if (is_high(point)) {
    uint32_t low = code_unit(escaped.substr(2)).value_or(0xdc00);
    point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    escaped.remove_prefix(6);
  }
  append_utf8(out, point);
}

}  // namespace

std::vector<JsonMember> json_members(std::string_view text) {
  std::vector<JsonMember> members;
  constexpr size_t kOften = 20;
  members.reserve(kOften);
  Scanner scanner(text);
  scanner.blanks();
  scanner.expect('{');
  scanner.blanks();
  bool more = scanner.peek() != '}';
  while (more) {
    scanner.blanks();
    std::string_view name = scanner.key();
    members.push_back({name, scanner.value()});
    scanner.blanks();
    more = scanner.peek() == ',';
    if (more) scanner.expect(',');
  }
  scanner.expect('}');
  scanner.end();
  return members;
}

std::optional<std::string> json_text(std::string_view value) {
  if (value.empty() || value.front() != '"') return std::nullopt;
  value = value.substr(1, value.size() - 2);
  size_t stop = value.find('\\');
  if (stop == std::string_view::npos) return std::string(value);
  std::string out;
  out.reserve(value.size());
  for (; stop != std::string_view::npos; stop = value.find('\\')) {
    out.append(value.substr(0, stop));
    value.remove_prefix(stop);
    unescape(out, value);
  }
  out.append(value);
  out.shrink_to_fit();  // what is kept in great number has no room to spare
  return out;
}

std::optional<int64_t> json_integer(std::string_view value) {
  int64_t number = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size()) return std::nullopt;
  return number;
}

}  // namespace lockstep
