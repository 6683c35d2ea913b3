#include "connectors/git_tables/row_delta.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <deque>

namespace lockstep {
namespace {

// How many rows ahead are compared to find where two versions agree again.
constexpr size_t kLookAhead = 32;

// Rows of one version, a few of them at a time.
class Rows {
 public:
  Rows(std::string_view text, uint64_t line) : rest_(text), line_(line) {}

  // The row `ahead` of the next one; nullptr behind the last.
  const RawRow* peek(size_t ahead) {
    while (seen_.size() <= ahead && !rest_.empty()) {
      seen_.push_back(first_row(rest_));
      rest_.remove_prefix(seen_.back().text.size());
    }
    return ahead < seen_.size() ? &seen_[ahead] : nullptr;
  }

  void skip() {
    peek(0);
    line_ += seen_.front().line_ends;
    seen_.pop_front();
  }

  void give(size_t count, std::vector<CsvPart>& out) {
    for (; count > 0 && peek(0); --count) {
      const std::string_view row = peek(0)->text;
      const bool joins =
          !out.empty() && out.back().text.data() + out.back().text.size() == row.data();
      if (joins) {
        out.back().text = {out.back().text.data(), out.back().text.size() + row.size()};
      } else {
        out.push_back({row, line_});
      }
      skip();
    }
  }

 private:
  std::string_view rest_;
  uint64_t line_;
  std::deque<RawRow> seen_;
};

struct Step {
  size_t before, after;
};

// How many rows to give up on each side until both agree again.
Step resync(Rows& before, Rows& after) {
  for (size_t d = 1; d <= kLookAhead; ++d) {
    for (size_t k = 0; k <= d; ++k) {
      const RawRow* left = before.peek(d);
      const RawRow* right = after.peek(k);
      if (left && right && left->text == right->text) return {d, k};
      left = before.peek(k);
      right = after.peek(d);
      if (left && right && left->text == right->text) return {k, d};
    }
  }
  return {kLookAhead, kLookAhead};
}

}  // namespace

RawRow first_row(std::string_view text) {
  RawRow row;
  size_t at = 0;
  bool quoted = false;
  while (true) {
    const void* found = std::memchr(text.data() + at, '\n', text.size() - at);
    const size_t end = found
                           ? static_cast<size_t>(static_cast<const char*>(found) - text.data()) + 1
                           : text.size();
    if (std::count(text.begin() + static_cast<std::ptrdiff_t>(at),
                   text.begin() + static_cast<std::ptrdiff_t>(end), '"') %
        2) {
      quoted = !quoted;
    }
    row.line_ends += found != nullptr;
    at = end;
    if (!quoted || end == text.size()) break;
  }
  row.text = text.substr(0, at);
  return row;
}

CsvDelta csv_delta(std::string_view before, std::string_view after, uint64_t line) {
  CsvDelta out;
  Rows left(before, line), right(after, line);
  while (left.peek(0) && right.peek(0)) {
    if (left.peek(0)->text == right.peek(0)->text) {
      left.skip();
      right.skip();
      continue;
    }
    const Step step = resync(left, right);
    left.give(step.before, out.before);
    right.give(step.after, out.after);
  }
  left.give(static_cast<size_t>(-1), out.before);
  right.give(static_cast<size_t>(-1), out.after);
  return out;
}

}  // namespace lockstep
