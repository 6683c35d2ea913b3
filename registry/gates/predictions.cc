#include "registry/gates/predictions.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <map>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"
#include "pipeline/formats/csv.h"

namespace lockstep {
namespace {

// The rows of a file by the names of its columns.
class Columns {
 public:
  Columns(std::string_view csv, std::string_view place) : place_(place), reader_(csv, place) {
    std::vector<CsvField> header;
    if (!reader_.next(header)) fail("the file is empty: it has not even a header");
    for (size_t i = 0; i < header.size(); ++i) {
      if (!at_.emplace(header[i].text, i).second) {
        fail("two columns are called " + printable(header[i].text));
      }
    }
    for (const char* name : {"key", "expected", "predicted"}) need(name);
  }

  size_t need(const std::string& name) const {
    auto found = at_.find(name);
    if (found == at_.end()) fail("no column is called " + printable(name));
    return found->second;
  }
  bool has(const std::string& name) const { return at_.count(name) > 0; }
  const std::map<std::string, size_t>& all() const { return at_; }

  bool next() { return reader_.next(row_); }
  const std::string& text(size_t at) const { return row_[at].text; }
  std::string optional(const std::string& name) const {
    auto found = at_.find(name);
    return found == at_.end() ? "" : row_[found->second].text;
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::kInvalid, what,
                "an evaluation writes key,expected,predicted and, where it has one, score",
                fmt::format("{}:{}", place_, std::max<uint64_t>(reader_.line(), 1)));
  }

 private:
  std::string place_;
  CsvReader reader_;
  std::map<std::string, size_t> at_;
  std::vector<CsvField> row_;
};

std::optional<double> score_of(const Columns& columns) {
  const std::string text = columns.has("score") ? columns.optional("score") : "";
  if (text.empty()) return std::nullopt;
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    columns.fail("a score is no finite number: " + printable(text, 80));
  }
  return value;
}

}  // namespace

std::vector<PredictedRow> read_predictions(std::string_view csv, std::string_view place,
                                           const std::vector<std::string>& slices) {
  Columns columns(csv, place);
  const size_t key = columns.need("key"), expected = columns.need("expected"),
               predicted = columns.need("predicted");
  std::vector<std::pair<std::string, size_t>> cuts;
  for (const std::string& name : slices) cuts.emplace_back(name, columns.need(name));
  std::vector<PredictedRow> rows;
  while (columns.next()) {
    PredictedRow& row = rows.emplace_back();
    row.key = columns.text(key);
    row.expected = columns.text(expected);
    row.predicted = columns.text(predicted);
    row.score = score_of(columns);
    for (const auto& [name, at] : cuts) row.slices.push_back(name + "=" + columns.text(at));
  }
  return rows;
}

AnsweredExpectations read_expectations(std::string_view csv, std::string_view place,
                                       std::optional<uint64_t> rows) {
  Columns columns(csv, place);
  AnsweredExpectations out;
  while (columns.next()) {
    Expectation& wanted = out.expectations.emplace_back();
    for (const auto& [name, at] : columns.all()) {
      bool own = name == "key" || name == "expected" || name == "predicted" || name == "score" ||
                 name == "ticket" || name == "author" || name == "date";
      if (!own) wanted.columns[name] = columns.text(at);
    }
    if (wanted.columns.empty()) wanted.key = columns.optional("key");
    wanted.expected = columns.optional("expected");
    wanted.ticket = columns.optional("ticket");
    wanted.author = columns.optional("author");
    wanted.date = columns.optional("date");
    out.answers.push_back({columns.optional("key"), wanted.columns, columns.optional("predicted")});
  }
  if (rows && *rows != out.expectations.size()) {
    throw Error(ErrorCode::kConflict,
                fmt::format("{} rows must come out as they say, and the evaluation answered {}",
                            *rows, out.expectations.size()),
                "it writes a line for each of them", std::string(place));
  }
  return out;
}

}  // namespace lockstep
