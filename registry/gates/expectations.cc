#include "registry/gates/expectations.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr size_t kShown = 50;  // rows of a table in Markdown

// "row 17, text 'turn it off'"
std::string subject(const Expectation& one) {
  std::string out = one.key.empty() ? "" : "row " + printable(one.key, 80);
  for (const auto& [column, value] : one.columns) {
    out += (out.empty() ? "" : ", ") + printable(column, 80) + " '" + printable(value, 80) + "'";
  }
  return out;
}

// "ticket 812, ann, 2026-03-01"
std::string origin(const Expectation& one) {
  std::string out = one.ticket.empty() ? "" : "ticket " + printable(one.ticket, 80);
  for (const std::string* part : {&one.author, &one.date}) {
    if (!part->empty()) out += (out.empty() ? "" : ", ") + printable(*part, 80);
  }
  return out;
}

std::string by(const Expectation& one) {
  const std::string from = origin(one);
  return from.empty() ? "" : " (" + from + ")";
}

// MetricValues that can't run into each other: each with its length before it.
void append_value(std::string& out, const std::string& value) {
  out += std::to_string(value.size()) + ":" + value;
}

std::string identity(const Expectation& one) {
  std::string out;
  append_value(out, one.key);
  for (const auto& [column, value] : one.columns) {
    append_value(out, column);
    append_value(out, value);
  }
  return out;
}

// Rows by the values of some columns (and the key, where `keyed`); a row that lacks one is left
// out.
using Index = std::unordered_multimap<std::string, const AnsweredRow*>;

std::optional<std::string> address(const AnsweredRow& row, bool keyed,
                                   const std::vector<std::string>& columns) {
  Expectation same;
  if (keyed) same.key = row.key;
  for (const std::string& column : columns) {
    const auto value = row.columns.find(column);
    if (value == row.columns.end()) return {};
    same.columns[column] = value->second;
  }
  return identity(same);
}

class Answers {
 public:
  explicit Answers(const std::vector<AnsweredRow>& rows) : rows_(rows) {}

  std::vector<const AnsweredRow*> of(const Expectation& one) {
    std::vector<std::string> columns;
    for (const auto& [column, value] : one.columns) columns.push_back(column);
    auto [known, added] = indexes_.try_emplace({!one.key.empty(), columns});
    if (added) fill(known->second, !one.key.empty(), columns);
    std::vector<const AnsweredRow*> found;
    const auto [begin, end] = known->second.equal_range(identity(one));
    for (auto it = begin; it != end; ++it) found.push_back(it->second);
    std::sort(found.begin(), found.end(), [](auto* a, auto* b) {
      return std::tie(a->key, a->predicted) < std::tie(b->key, b->predicted);
    });
    return found;
  }

 private:
  void fill(Index& index, bool keyed, const std::vector<std::string>& columns) const {
    for (const AnsweredRow& row : rows_) {
      if (const auto where = address(row, keyed, columns)) index.emplace(*where, &row);
    }
  }

  const std::vector<AnsweredRow>& rows_;
  std::map<std::pair<bool, std::vector<std::string>>, Index> indexes_;  // by what is asked for
};

void check_one(const Expectation& one, const std::vector<const AnsweredRow*>& rows,
               ExpectationReport& report) {
  ++report.checked;
  if (rows.empty()) {
    report.broken.push_back({one, "", "", subject(one) + " was not answered" + by(one)});
    return;
  }
  for (const AnsweredRow* row : rows) {
    if (row->predicted == one.expected) continue;
    const std::string at =
        one.key.empty() && !row->key.empty() ? " at row " + printable(row->key, 80) : "";
    report.broken.push_back({one, row->key, row->predicted,
                             subject(one) + " must be " + printable(one.expected, 80) + " and is " +
                                 printable(row->predicted, 80) + at + by(one)});
    return;
  }
}

}  // namespace

void validate_expectations(const std::vector<Expectation>& expectations) {
  std::unordered_map<std::string, const Expectation*> known;
  for (size_t i = 0; i < expectations.size(); ++i) {
    const Expectation& one = expectations[i];
    if (one.key.empty() && one.columns.empty()) {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("expectation {} names neither a key nor a column{}", i + 1, by(one)));
    }
    if (one.expected.empty()) {
      throw Error(ErrorCode::kInvalid, "the expectation of " + subject(one) +
                                           " says nothing of what must come out" + by(one));
    }
    const auto [other, added] = known.try_emplace(identity(one), &one);
    if (added || other->second->expected == one.expected) continue;
    throw Error(ErrorCode::kConflict,
                subject(one) + " must be " + printable(other->second->expected, 80) +
                    by(*other->second) + " and " + printable(one.expected, 80) + by(one),
                "one of the two expectations has to go");
  }
}

ExpectationReport check_expectations(const std::vector<Expectation>& expectations,
                                     const std::vector<AnsweredRow>& answers) {
  validate_expectations(expectations);
  Answers index(answers);
  ExpectationReport report;
  for (const Expectation& one : expectations) check_one(one, index.of(one), report);
  return report;
}

Json expectations_json(const ExpectationReport& report) {
  Json broken = Json::array();
  for (const BrokenExpectation& one : report.broken) {
    Json columns = Json::object();
    for (const auto& [column, value] : one.expectation.columns) {
      columns[replace_invalid_utf8(column)] = replace_invalid_utf8(value);
    }
    broken.push_back({{"key", replace_invalid_utf8(one.expectation.key)},
                      {"columns", columns},
                      {"expected", replace_invalid_utf8(one.expectation.expected)},
                      {"answered", !one.key.empty() || !one.predicted.empty()},
                      {"row", replace_invalid_utf8(one.key)},
                      {"predicted", replace_invalid_utf8(one.predicted)},
                      {"ticket", replace_invalid_utf8(one.expectation.ticket)},
                      {"author", replace_invalid_utf8(one.expectation.author)},
                      {"date", replace_invalid_utf8(one.expectation.date)},
                      {"why", replace_invalid_utf8(one.why)}});
  }
  return {{"checked", report.checked}, {"passed", report.passed()}, {"broken", broken}};
}

std::string expectations_markdown(const ExpectationReport& report) {
  if (report.checked == 0) return "";
  if (report.passed()) return fmt::format("All {} expectations are met.\n", report.checked);
  std::string out = fmt::format("**{} of {} expectations are broken.**\n\n", report.broken.size(),
                                report.checked);
  out +=
      "| what | must be | is | ticket | author | date |\n| --- | --- | --- | --- | --- | --- |\n";
  for (size_t i = 0; i < std::min(report.broken.size(), kShown); ++i) {
    const BrokenExpectation& one = report.broken[i];
    const Expectation& e = one.expectation;
    const bool answered = !one.key.empty() || !one.predicted.empty();
    out += fmt::format("| {} | {} | {} | {} | {} | {} |\n", markdown_text(subject(e)),
                       markdown_text(e.expected),
                       answered ? markdown_text(one.predicted) : "*not answered*",
                       markdown_text(e.ticket), markdown_text(e.author), markdown_text(e.date));
  }
  if (report.broken.size() > kShown) {
    out += fmt::format("\n{} more.\n", report.broken.size() - kShown);
  }
  return out;
}

}  // namespace lockstep
