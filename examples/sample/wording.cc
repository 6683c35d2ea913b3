#include "examples/sample/wording.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "pipeline/base/error.h"

namespace lockstep::sample {

namespace {

// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere, unlike <random>'s
// distributions.
class Dice {
 public:
  explicit Dice(std::string_view name) {
    for (char c : name) state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  }

  size_t below(size_t n) { return next() % n; }
  bool chance(double p) { return static_cast<double>(next() >> 11) < p * 9007199254740992.0; }
  template <class T>
  const T& one_of(const std::vector<T>& from) {
    return from[below(from.size())];
  }

 private:
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }

  uint64_t state_ = 0xcbf29ce484222325ull;
};

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(' ') - begin + 1));
}

std::vector<std::string> split_bars(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const size_t bar = text.find('|');
    parts.push_back(trimmed(text.substr(0, bar)));
    if (bar == std::string_view::npos) return parts;
    text.remove_prefix(bar + 1);
  }
}

class Parser {
 public:
  explicit Parser(const std::string& place) : place_(place) {}

  void line(std::string_view raw) {
    ++number_;
    const std::string text = trimmed(raw);
    if (text.empty() || text[0] == '#') return;
    if (text[0] == '[') return section(text);
    if (out_.sections.empty()) return slot(text);
    Wording::Section& last = out_.sections.back();
    if (text[0] == '=') {
      last.verbatim.push_back(trimmed(std::string_view(text).substr(1)));
    } else {
      last.templates.push_back(text);
    }
  }

  Wording done() {
    for (const Wording::Section& s : out_.sections) {
      if (s.templates.empty()) fail("[" + s.label + "] has no template");
      if (s.verbatim.size() > s.count) fail("[" + s.label + "] holds more lines than it gets");
    }
    return std::move(out_);
  }

 private:
  void slot(const std::string& text) {
    const size_t colon = text.find(':');
    if (colon == std::string::npos) fail("expected `slot: a | b` before the first [label count]");
    out_.slots[text.substr(0, colon)] = split_bars(std::string_view(text).substr(colon + 1));
  }

  void section(const std::string& text) {
    const size_t space = text.find(' ');
    const std::string digits = text.substr(std::min(space, text.size() - 1) + 1);
    if (digits.size() < 2 || digits.size() > 6 || digits.back() != ']' ||
        !std::all_of(digits.begin(), digits.end() - 1,
                     [](unsigned char c) { return isdigit(c); })) {
      fail("expected [label count]");
    }
    out_.sections.push_back({text.substr(1, space - 1), std::stoul(digits), {}, {}});
  }

  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ErrorCode::kInvalid, message, "", place_ + ":" + std::to_string(number_));
  }

  const std::string place_;
  int number_ = 0;
  Wording out_;
};

// Replaces (a|b) by one of its parts and {slot} by one of its values, from the left.
class Expander {
 public:
  Expander(const Wording& wording, Dice& dice) : wording_(wording), dice_(dice) {}

  std::string operator()(std::string text) {
    size_t at = 0;
    while ((at = text.find_first_of("({")) != std::string::npos) {
      const size_t end = text.find(text[at] == '(' ? ')' : '}', at);
      if (end == std::string::npos) {
        throw Error(ErrorCode::kInvalid, "unclosed bracket in the template: " + text);
      }
      const std::string inside = text.substr(at + 1, end - at - 1);
      text.replace(at, end - at + 1,
                   text[at] == '(' ? dice_.one_of(split_bars(inside)) : value(inside));
    }
    return squeezed(text);
  }

  std::string framed(const std::string& text) {
    return squeezed((*this)(value("open") + " " + text + " " + value("close")));
  }

 private:
  std::string value(const std::string& slot) {
    const auto found = wording_.slots.find(slot);
    if (found == wording_.slots.end()) {
      throw Error(ErrorCode::kInvalid, "no slot is called {" + slot + "}");
    }
    return dice_.one_of(found->second);
  }

  static std::string squeezed(const std::string& text) {
    std::string out;
    for (char c : text) {
      if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    return out;
  }

  const Wording& wording_;
  Dice& dice_;
};

void slip(std::string& text, Dice& dice) {
  std::vector<size_t> letters;  // those with a letter on both sides
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    if (isalpha(static_cast<unsigned char>(text[i])) &&
        isalpha(static_cast<unsigned char>(text[i + 1])) &&
        isalpha(static_cast<unsigned char>(text[i - 1]))) {
      letters.push_back(i);
    }
  }
  if (letters.empty()) return;
  const size_t at = dice.one_of(letters);
  switch (dice.below(3)) {
    case 0:
      text.erase(at, 1);
      break;
    case 1:
      text.insert(at, 1, text[at]);
      break;
    default:
      std::swap(text[at], text[at + 1]);
  }
}

// One that was not made before, where the templates have one to give.
std::string fresh(Expander& expand, const Wording::Section& section, Dice& dice,
                  std::set<std::string>& seen) {
  std::string text;
  for (int tries = 0; tries < 40; ++tries) {
    text = expand.framed(dice.one_of(section.templates));
    if (seen.insert(text).second) break;
  }
  return text;
}

}  // namespace

Wording parse_wording(std::string_view text, const std::string& place) {
  Parser parser(place);
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    parser.line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parser.done();
}

std::vector<Utterance> make_utterances(const Wording& wording, std::string_view name,
                                       const Noise& noise) {
  Dice dice(name);
  Expander expand(wording, dice);
  std::set<std::string> seen;
  std::vector<Utterance> all;
  for (const Wording::Section& section : wording.sections) {
    for (const std::string& line : section.verbatim) {
      seen.insert(line);
      all.push_back({line, section.label});
    }
    for (size_t i = section.verbatim.size(); i < section.count; ++i) {
      Utterance made{fresh(expand, section, dice, seen), section.label};
      if (dice.chance(noise.typos)) slip(made.text, dice);
      if (dice.chance(noise.wrong_labels)) made.label = dice.one_of(wording.sections).label;
      all.push_back(std::move(made));
    }
  }
  for (size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[dice.below(i)]);
  return all;
}

}  // namespace lockstep::sample
