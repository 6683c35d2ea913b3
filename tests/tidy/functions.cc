#include "tests/tidy/functions.h"

#include <algorithm>
#include <cctype>
#include <regex>

#include "tests/tidy/tree.h"

namespace lockstep::tidy {

namespace {

bool word_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
}

// Walks over the text once and keeps what is code.
class Blanker {
 public:
  explicit Blanker(std::string_view text) : in_(text), out_(text) {}

  std::string run() {
    while (at_ < in_.size()) step();
    return std::move(out_);
  }

 private:
  void step() {
    const char c = in_[at_];
    if (c == '\n') line_has_code_ = false;
    if (starts("//")) return blank_until("\n", 0);
    if (starts("/*")) return blank_until("*/", 2);
    if (c == '#' && !line_has_code_) return blank_directive();
    if (c == 'R' && starts("R\"") && !after_word()) return blank_raw();
    if (c == '"' || (c == '\'' && !after_word())) return blank_quoted(c);
    if (!std::isspace(static_cast<unsigned char>(c))) line_has_code_ = true;
    ++at_;
  }

  bool starts(std::string_view what) const { return in_.substr(at_, what.size()) == what; }
  bool after_word() const { return at_ > 0 && word_char(in_[at_ - 1]); }

  void blank(size_t end) {
    for (; at_ < std::min(end, in_.size()); ++at_) {
      if (in_[at_] != '\n') out_[at_] = ' ';
    }
  }

  void blank_until(std::string_view end, size_t extra) {
    const size_t found = in_.find(end, at_ + extra);
    blank(found == std::string_view::npos ? in_.size() : found + extra);
  }

  void blank_directive() {
    size_t end = at_;
    do {
      end = std::min(in_.find('\n', end + 1), in_.size());
    } while (end < in_.size() && in_[end - 1] == '\\');
    blank(end);
  }

  void blank_raw() {
    const size_t open = std::min(in_.find('(', at_), in_.size());
    const std::string close = ")" + std::string(in_.substr(at_ + 2, open - at_ - 2)) + "\"";
    blank_until(close, close.size());
  }

  void blank_quoted(char quote) {
    size_t end = at_ + 1;
    while (end < in_.size() && in_[end] != quote && in_[end] != '\n')
      end += in_[end] == '\\' ? 2 : 1;
    blank(end + 1);
    line_has_code_ = true;
  }

  std::string_view in_;
  std::string out_;
  size_t at_ = 0;
  bool line_has_code_ = false;
};

enum class Brace { kScope, kFunction, kOther };

std::string squeezed(std::string_view text) {
  static const std::regex kTemplate(R"(^\s*template\s*<[^{}();]*>)");
  std::string out = std::regex_replace(std::string(text), kTemplate, "");
  while (!out.empty() && std::isspace(static_cast<unsigned char>(out.back()))) out.pop_back();
  return out;
}

// What a brace opens, from the text since the last ';', '{' or '}'.
Brace classify(std::string_view before) {
  static const std::regex kScope(R"((^|\s)(namespace|class|struct|union|enum|extern)(\s|$))");
  static const std::regex kFunction(
      R"(\)(\s*(const|noexcept|override|final|mutable|try|&|&&))*(\s*->[^;{}]*)?$)");
  static const std::regex kConstructor(R"(\)\s*(noexcept)?\s*:[^:][^;]*[)}]$)");
  const std::string head = squeezed(before);
  if (std::regex_search(head, kFunction) || std::regex_search(head, kConstructor)) {
    return head.find('=') < head.find('(') && head.find("operator") == std::string::npos
               ? Brace::kOther
               : Brace::kFunction;
  }
  if (std::regex_search(head, kScope)) return Brace::kScope;
  return Brace::kOther;
}

// The colon of "public:", "protected:" or "private:".
bool ends_access(std::string_view code, size_t colon) {
  if (code[colon] != ':') return false;
  const std::string_view before = code.substr(0, colon);
  return ends_with(before, "public") || ends_with(before, "protected") ||
         ends_with(before, "private");
}

size_t matching(std::string_view code, size_t open) {
  int depth = 0;
  for (size_t i = open; i < code.size(); ++i) {
    if (code[i] == '{') ++depth;
    if (code[i] == '}' && --depth == 0) return i;
  }
  return code.size() - 1;
}

int line_of(std::string_view text, size_t at) {
  return 1 + static_cast<int>(std::count(text.begin(), text.begin() + at, '\n'));
}

FunctionSpan span_of(std::string_view text, size_t head, size_t end) {
  const size_t stop = std::min(text.find('\n', head), text.size());
  const int first = line_of(text, head);
  return {std::string(text.substr(head, stop - head)), first, line_of(text, end) - first + 1};
}

}  // namespace

std::string blank_cpp(std::string_view text) {
  return Blanker(text).run();
}

std::vector<FunctionSpan> cpp_functions(std::string_view text) {
  const std::string code = blank_cpp(text);
  std::vector<FunctionSpan> found;
  size_t head = 0;  // where the statement under way began
  for (size_t i = 0; i < code.size(); ++i) {
    if (code[i] == ';' || code[i] == '}' || ends_access(code, i)) head = i + 1;
    if (code[i] != '{') continue;
    const std::string_view before = std::string_view(code).substr(head, i - head);
    const Brace brace = classify(before);
    if (brace == Brace::kScope) {
      head = i + 1;
      continue;
    }
    const size_t end = matching(code, i);
    if (brace == Brace::kFunction) {
      const size_t first = code.find_first_not_of(" \n\t", head);
      found.push_back(span_of(text, first, end));
      head = end + 1;
    }
    i = end;  // an initialiser belongs to the statement under way: `head` stays
  }
  return found;
}

std::vector<FunctionSpan> bash_functions(std::string_view text) {
  std::vector<FunctionSpan> found;
  int number = 0, open = 0;
  std::string head;
  for (std::string_view line : split_lines(text)) {
    ++number;
    const size_t name_end = line.find("() {");
    if (open == 0 && name_end != std::string_view::npos && word_char(line[0])) {
      open = number;
      head = line;
    }
    if (open > 0 && (line == "}" || (open == number && ends_with(line, "}")))) {
      found.push_back({head, open, number - open + 1});
      open = 0;
    }
  }
  return found;
}

std::vector<FunctionSpan> python_functions(std::string_view text) {
  struct Open {
    std::string head;
    size_t indent;
    int first;
  };
  std::vector<FunctionSpan> found;
  std::vector<Open> open;
  int number = 0, last = 0;  // `last`: the last line that holds something
  const auto close = [&](size_t indent) {
    while (!open.empty() && open.back().indent >= indent) {
      found.push_back({open.back().head, open.back().first, last - open.back().first + 1});
      open.pop_back();
    }
  };
  for (std::string_view line : split_lines(text)) {
    ++number;
    const size_t indent = line.find_first_not_of(' ');
    if (indent == std::string_view::npos) continue;
    if (line[indent] != ')') close(indent);
    if (line.substr(indent, 4) == "def ") open.push_back({std::string(line), indent, number});
    last = number;
  }
  close(0);
  return found;
}

}  // namespace lockstep::tidy
