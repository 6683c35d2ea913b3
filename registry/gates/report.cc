#include "registry/gates/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr size_t kSlices = 50, kKeyBytes = 120;

std::string utf8(const std::string& text) {
  return replace_invalid_utf8(text);
}

Json or_null(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

Json measured_json(const Measurement& one) {
  Json out = {{"slice", utf8(one.slice)}, {"rows", one.rows}, {"judged", one.not_judged.empty()}};
  if (!one.not_judged.empty()) {
    out["not_judged"] = utf8(one.not_judged);
    return out;
  }
  out.update(
      {{"champion", one.champion},
       {"challenger", one.challenger},
       {"change", one.change},
       {"relative_change", or_null(one.relative_change)},
       {"lost", one.lost},
       {"gained", one.gained},
       {"test", one.test},
       {"p", one.p},
       {"adjusted_p", one.adjusted_p},
       {"together", one.together},
       {"limit",
        {{"absolute", or_null(one.limit.absolute)}, {"relative", or_null(one.limit.relative)}}},
       {"verdict", word(one.verdict)},
       {"why", utf8(one.why)}});
  if (one.bootstrap) {
    out["interval"] = {one.bootstrap->low, one.bootstrap->high};
    out["rounds"] = one.bootstrap->rounds;
  }
  return out;
}

Json examples_json(const std::vector<ExampleRow>& rows) {
  Json out = Json::array();
  for (const ExampleRow& row : rows) {
    out.push_back({{"key", utf8(row.key)},
                   {"expected", utf8(row.expected)},
                   {"champion", utf8(row.champion)},
                   {"challenger", utf8(row.challenger)}});
  }
  return out;
}

Json comparison_json(const Comparison& one) {
  Json slices = Json::array(), notes = Json::array();
  for (const Measurement& slice : one.slices) slices.push_back(measured_json(slice));
  for (const std::string& note : one.notes) notes.push_back(utf8(note));
  const bool known = one.all.not_judged.empty() || one.verdict == GateVerdict::kWorse;
  return {{"metric", word(one.metric)},
          {"better", higher_is_better(one.metric) ? "higher" : "lower"},
          {"alpha", one.alpha},

          {"all", measured_json(one.all)},
          {"slices", slices},
          {"lost", examples_json(one.lost)},
          {"gained", examples_json(one.gained)},
          {"notes", notes},
          {"verdict", known ? word(one.verdict) : "not judged"},
          {"action", word(one.action)},
          {"why", utf8(one.why)}};
}

// ---- Markdown -----------------------------------------------------------------------------------

std::string relative(const Measurement& one) {
  return one.relative_change ? fmt::format("{:+.2f} %", *one.relative_change * 100) : "";
}

std::string chance(const Measurement& one) {
  std::string out = fmt::format("{}, p = {:.3g}", one.test, one.p);
  if (one.together > 1) out += fmt::format(" ({:.3g})", one.adjusted_p);
  if (one.bootstrap) {
    out += fmt::format(", {:+.4g} to {:+.4g}", one.bootstrap->low, one.bootstrap->high);
  }
  return out;
}

void add_row(const Measurement& one, std::string& out) {
  const std::string name = one.slice.empty() ? "**all**" : markdown_text(one.slice, kKeyBytes);
  if (!one.not_judged.empty()) {
    out += fmt::format("| {} | {} | | | | | | not judged: {} |\n", name, one.rows,
                       markdown_text(one.not_judged));
    return;
  }
  out += fmt::format("| {} | {} | {:.4g} | {:.4g} | {:+.4g} {} | {} / {} | {} | {} |\n", name,
                     one.rows, one.champion, one.challenger, one.change, relative(one), one.lost,
                     one.gained, chance(one), word(one.verdict));
}

// Slices that are worse first: a person reads those; then by name.
std::vector<const Measurement*> by_need(const std::vector<Measurement>& slices) {
  std::vector<const Measurement*> out;
  for (const Measurement& slice : slices) out.push_back(&slice);
  const auto rank = [](const Measurement* one) {
    return one->not_judged.empty() ? 4 - static_cast<int>(one->verdict) : 5;
  };
  std::stable_sort(out.begin(), out.end(), [&](auto* a, auto* b) { return rank(a) < rank(b); });
  return out;
}

void add_examples(const char* head, const std::vector<ExampleRow>& rows, uint64_t all,
                  std::string& out) {
  if (rows.empty()) return;
  out += fmt::format("\n{}{}:\n\n", head,
                     rows.size() < all ? fmt::format(" ({} of {})", rows.size(), all) : "");
  out += "| row | expected | champion | challenger |\n| --- | --- | --- | --- |\n";
  for (const ExampleRow& row : rows) {
    out +=
        fmt::format("| {} | {} | {} | {} |\n", markdown_text(row.key, kKeyBytes),
                    markdown_text(row.expected, kKeyBytes), markdown_text(row.champion, kKeyBytes),
                    markdown_text(row.challenger, kKeyBytes));
  }
}

void add_comparison(const Comparison& one, std::string& out) {
  out += fmt::format("\n## {}\n\n", markdown_text(std::string(word(one.metric))));
  out += fmt::format("{} is better. {}: {}.\n\n", higher_is_better(one.metric) ? "Higher" : "Lower",
                     one.action == GateAction::kMove  ? "Moves"
                     : one.action == GateAction::kAsk ? "A person is asked"
                                                      : "Stays",
                     markdown_text(one.why));
  out +=
      "| rows of | count | champion | challenger | change | lost / gained | test | verdict |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
  add_row(one.all, out);
  const auto slices = by_need(one.slices);
  for (size_t i = 0; i < std::min(slices.size(), kSlices); ++i) {
    add_row(*slices[i], out);
  }
  if (slices.size() > kSlices) out += fmt::format("\n{} more slices.\n", slices.size() - kSlices);
  uint64_t slice_tests = 0;
  for (const Measurement* slice : slices) {
    if (slice->not_judged.empty()) slice_tests = slice->together;
  }
  out += fmt::format("\nAlpha is {:.4g}. In brackets: p after Holm's correction", one.alpha);
  out += fmt::format(" over {} tests on all rows, {} on slices.\n", one.all.together, slice_tests);
  add_examples("Lost", one.lost, one.all.lost, out);
  add_examples("Gained", one.gained, one.all.gained, out);
  for (const std::string& note : one.notes) out += "\nNote: " + markdown_text(note) + "\n";
}

bool broken(const GateFindings& findings) {
  return findings.expectations && !findings.expectations->passed();
}

}  // namespace

GateAction action_of(const GateFindings& findings) {
  GateAction action = broken(findings) ? GateAction::kHold : GateAction::kMove;
  for (const Comparison& one : findings.comparisons) action = std::max(action, one.action);
  return action;
}

std::string reason_of(const GateFindings& findings) {
  if (broken(findings)) {
    const auto& all = findings.expectations->broken;
    return "expectation broken: " + all.front().why +
           (all.size() > 1 ? fmt::format(", and {} more", all.size() - 1) : "");
  }
  const GateAction action = action_of(findings);
  for (const Comparison& one : findings.comparisons) {
    if (one.action == action) return std::string(word(one.metric)) + ": " + one.why;
  }
  if (!findings.void_because.empty()) return "not compared: " + findings.void_because;
  return findings.champion == 0 ? "no champion yet" : "nothing was compared";
}

Json findings_json(const GateFindings& findings) {
  Json comparisons = Json::array();
  for (const Comparison& one : findings.comparisons) comparisons.push_back(comparison_json(one));
  Json out = {{"model", utf8(findings.model)},    {"challenger", findings.challenger},
              {"champion", findings.champion},    {"action", word(action_of(findings))},
              {"why", utf8(reason_of(findings))}, {"void", utf8(findings.void_because)},
              {"comparisons", comparisons}};
  if (findings.expectations) out["expectations"] = expectations_json(*findings.expectations);
  return out;
}

std::string findings_markdown(const GateFindings& findings) {
  const GateAction action = action_of(findings);
  std::string out =
      fmt::format("# {} version {}", markdown_text(findings.model), findings.challenger);
  if (findings.champion != 0) out += fmt::format(" against version {}", findings.champion);
  out += fmt::format("\n\n**{}.** {}.\n",
                     action == GateAction::kMove  ? "Moves"
                     : action == GateAction::kAsk ? "Waits for a person"
                                                  : "Held",
                     markdown_text(reason_of(findings)));
  if (findings.expectations) out += "\n" + expectations_markdown(*findings.expectations);
  for (const Comparison& one : findings.comparisons) add_comparison(one, out);
  return out;
}

}  // namespace lockstep
