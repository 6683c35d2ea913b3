// The report of quality.h for programs, for people, and as a table to work through.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pipeline/base/text.h"
#include "pipeline/formats/csv.h"
#include "workflows/quality/quality.h"

namespace lockstep {
namespace {

constexpr size_t kShown = 20;

std::string utf8(const std::string& text) {
  return replace_invalid_utf8(text);
}

Json or_null(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

// What CSV can hold: UTF-8 without NUL.
std::string csv_text(const std::string& text) {
  std::string out;
  for (char c : utf8(text)) {
    if (c == '\0') {
      out += "\xef\xbf\xbd";
    } else {
      out += c;
    }
  }
  return out;
}

std::string csv_line(const std::array<std::string, 5>& fields) {
  std::vector<std::optional<std::string_view>> row;
  for (const std::string& field : fields) {
    row.push_back(field.empty() ? std::nullopt : std::optional<std::string_view>(field));
  }
  return csv_row(row);
}

}  // namespace

Json quality_json(const QualityReport& report) {
  Json classes = Json::object(), parts = Json::array(), moved = Json::array();
  for (const ClassCount& one : report.classes) classes[utf8(one.name)] = one.rows;
  for (const QualityPart& one : report.parts) {
    parts.push_back({{"name", one.name},
                     {"value", or_null(one.value)},
                     {"weight", one.weight},
                     {"worst", one.worst},
                     {"lost", one.lost},
                     {"text", utf8(one.text)}});
  }
  for (const ColumnDrift& one : report.drift) {
    moved.push_back({{"column", utf8(one.column)},
                     {"bins", one.bins},
                     {"psi", one.psi},
                     {"excess", one.excess},
                     {"p", one.p},
                     {"drifted", one.drifted}});
  }
  return {{"score", report.score},
          {"action", word(report.action)},
          {"rows", report.rows},
          {"holdout_rows", report.holdout_rows},
          {"classes", classes},
          {"entropy", or_null(report.entropy)},
          {"minority", {{"class", utf8(report.minority.name)}, {"rows", report.minority.rows}}},
          {"missing_labels", report.missing_labels},
          {"undeclared_labels", report.undeclared_labels},
          {"duplicates", report.duplicates},
          {"conflicting", report.conflicting},
          {"leaked", report.leaked},
          {"label_noise", report.noise ? Json(report.noise->noise) : Json()},
          {"drift", moved},
          {"parts", parts},
          {"suspects", report.suspects.size() + report.suspects_left_out}};
}

std::string quality_markdown(const QualityReport& report) {
  std::string out =
      fmt::format("# Data quality: {:.1f} of 100, {}\n\n{} rows, {} held out.\n\n", report.score,
                  word(report.action), report.rows, report.holdout_rows);
  out += "| part | points lost | of | what |\n| --- | --- | --- | --- |\n";
  for (const QualityPart& one : report.parts) {
    out += fmt::format("| {} | {} | {:.0f} | {} |\n", markdown_text(one.name),
                       one.value ? fmt::format("{:.1f}", one.lost) : "-", one.weight,
                       markdown_text(one.text, 400));
  }
  if (report.suspects.empty()) return out;
  const size_t all = report.suspects.size() + report.suspects_left_out;
  out += fmt::format("\n{} rows to look at{}:\n\n", all,
                     all > kShown ? fmt::format(", the first {}", kShown) : "");
  out += "| row | column | given | suggested | why |\n| --- | --- | --- | --- | --- |\n";
  for (size_t i = 0; i < std::min(report.suspects.size(), kShown); ++i) {
    const Suspect& one = report.suspects[i];
    out += fmt::format("| {} | {} | {} | {} | {} |\n", markdown_text(one.key, 80),
                       markdown_text(one.column, 80), markdown_text(one.given, 80),
                       markdown_text(one.suggested, 80), markdown_text(one.why));
  }
  return out;
}

std::string suspects_csv(const std::vector<Suspect>& suspects) {
  std::string out = csv_line({"key", "column", "given", "suggested", "why"});
  for (const Suspect& one : suspects) {
    out += csv_line({csv_text(one.key), csv_text(one.column), csv_text(one.given),
                     csv_text(one.suggested), csv_text(one.why)});
  }
  return out;
}

}  // namespace lockstep
