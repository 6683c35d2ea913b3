#include "pipeline/daemon/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr size_t kNamesInLine = 3, kRows = 50;

std::string text_of(const Json& one, const char* field) {
  const auto found = one.find(field);
  return found != one.end() && found->is_string() ? found->get<std::string>() : "";
}

size_t count_in(const Json& value) {
  return value.is_number_integer() && value >= 0 ? value.get<size_t>() : 0;
}

size_t count_of(const Json& one, const char* field) {
  const auto found = one.find(field);
  return found != one.end() ? count_in(*found) : 0;
}

const Json& list_of(const Json& one, const char* field) {
  static const Json none = Json::array();
  const auto found = one.find(field);
  return found != one.end() && found->is_array() ? *found : none;
}

std::string some(const std::vector<std::string>& names) {
  std::vector<std::string> first(names.begin(),
                                 names.begin() + std::min(names.size(), kNamesInLine));
  const size_t more = names.size() - first.size();
  return fmt::format("{}{}", fmt::join(first, ", "), more ? fmt::format(" and {} more", more) : "");
}

const char* plural(size_t count) {
  return count == 1 ? "" : "s";
}

// What a run's steps came to, as far as models go.
struct Tally {
  size_t models = 0, retrained = 0;
  std::vector<std::string> failed, blocked, rejected;
};

Tally tally_of(const Json& run) {
  Tally tally;
  const bool counted = run.contains("models");  // else of an earlier version: it lists all steps
  if (counted) tally.models = count_of(run, "models");
  for (const Json& step : list_of(run, "steps")) {
    const std::string state = text_of(step, "state"), model = text_of(step, "model");
    tally.models += counted || model.empty() ? 0 : 1;
    tally.retrained += !model.empty() && state == "done" ? 1 : 0;
    if (state == "failed") tally.failed.push_back(text_of(step, "step"));
    if (state == "blocked") tally.blocked.push_back(text_of(step, "step"));
  }
  const Json preview = run.value("preview", Json());
  if (preview.is_object()) {
    for (const Json& model : list_of(preview, "models")) {
      if (model.value("passed", Json()) == false) tally.rejected.push_back(text_of(model, "model"));
    }
    return tally;
  }
  const Json gates = run.value("gates", Json());
  for (const Json& report : list_of(gates, "failed")) {
    tally.rejected.push_back(text_of(report, "model"));
  }
  std::sort(tally.rejected.begin(), tally.rejected.end());  // they come as they end
  return tally;
}

std::string outcome(const Tally& tally) {
  const bool quiet = tally.retrained == 0 && tally.failed.empty() && tally.blocked.empty();
  std::string line = quiet ? fmt::format("{} model{} current", tally.models, plural(tally.models))
                           : fmt::format("{} of {} model{} retrained", tally.retrained,
                                         tally.models, plural(tally.models));
  const auto add = [&](const std::vector<std::string>& names, const char* what) {
    if (!names.empty()) line += fmt::format(", {} {} ({})", names.size(), what, some(names));
  };
  add(tally.rejected, "rejected by its gate");
  add(tally.failed, "failed");
  add(tally.blocked, "blocked");
  return line;
}

Verdict running(const Json& run) {
  const Json planned = run.value("planned", Json::object());
  const Json counts = planned.is_object() ? planned.value("counts", Json::object()) : Json();
  size_t todo = 0, all = 0;
  for (const auto& [state, count] : counts.items()) {
    const size_t number = count_in(count);
    all += number;
    if (state == "run" || state == "waiting" || state == "running") todo += number;
  }
  return {StatusState::kPending, fmt::format("{} of {} step{} to run", todo, all, plural(all))};
}

std::string reasons(const Json& step) {
  std::vector<std::string> all;
  for (const Json& reason : list_of(step, "reasons")) {
    std::string one = text_of(reason, "slice");
    if (one.empty()) one = text_of(reason, "input");
    const std::string change = text_of(reason, "change");
    const size_t changed = count_of(reason, "changed");
    if (changed > 0) {
      one += fmt::format(": {} row{} changed", changed, plural(changed));
    } else {
      one += one.empty() || change.empty() ? change : ": " + change;
    }
    all.push_back(markdown_text(one));
  }
  return fmt::format("{}", fmt::join(all, "; "));
}

std::string metrics(const Json& values) {
  std::vector<std::string> all;
  for (const auto& [name, value] : values.items()) {
    if (value.is_number())
      all.push_back(markdown_text(fmt::format("{} {:.4g}", name, value.get<double>())));
  }
  return fmt::format("{}", fmt::join(all, ", "));
}

void add_steps(const Json& run, std::string& out) {
  size_t shown = 0, left = 0;
  for (const Json& step : list_of(run, "steps")) {
    const std::string state = text_of(step, "state");
    if (state == "current" || (state == "done" && list_of(step, "reasons").empty())) continue;
    if (shown == kRows) {
      ++left;
      continue;
    }
    if (shown++ == 0) out += "\n| step | state | why |\n| --- | --- | --- |\n";
    const std::string error = text_of(step, "error");
    out += fmt::format("| {} | {} | {} |\n", markdown_text(text_of(step, "step")),
                       markdown_text(state), error.empty() ? reasons(step) : markdown_text(error));
  }
  if (left > 0) out += fmt::format("\n{} more steps.\n", left);
}

void add_gates(const Json& run, std::string& out) {
  const Json preview = run.value("preview", Json());
  if (!preview.is_object()) return;
  size_t shown = 0;
  for (const Json& model : list_of(preview, "models")) {
    if (shown == kRows) break;
    const Json passed = model.value("passed", Json());
    if (!passed.is_boolean()) continue;
    if (shown++ == 0) {
      out += "\n| model | gate | here | champion |\n| --- | --- | --- | --- |\n";
    }
    const std::string verdict = text_of(model, "verdict");
    out += fmt::format("| {} | {} | {} | {} |\n", markdown_text(text_of(model, "model")),
                       passed.get<bool>() ? "passed" : markdown_text("rejected: " + verdict),
                       metrics(model.value("metrics", Json::object())),
                       metrics(model.value("champion_metrics", Json::object())));
  }
}

}  // namespace

Verdict verdict_of(const Json& run) {
  if (!run.is_object()) return {StatusState::kSuccess, "nothing to retrain"};
  const std::string result = text_of(run, "result");
  const std::string next = text_of(run, "superseded_by");
  const Tally tally = tally_of(run);
  if (result == "running") return running(run);
  if (result == "held") {
    return {StatusState::kPending, "held until somebody approves it: lockstep approve-change"};
  }
  if (result == "superseded") {
    return {StatusState::kCancelled,
            next.empty() ? "superseded by a newer commit" : "superseded by run " + next};
  }
  if (result == "cancelled") return {StatusState::kCancelled, "cancelled: " + outcome(tally)};
  const bool planned = !list_of(run, "steps").empty() || count_of(run, "current") > 0;
  if (!planned && !list_of(run, "notes").empty() && result != "done") {
    const Json& why = list_of(run, "notes").front();
    return {StatusState::kFailure, why.is_string() ? why.get<std::string>() : "not planned"};
  }
  const bool refused = run.value("preview", Json()).is_object() && !tally.rejected.empty();
  const bool good = result == "done" && !refused;
  return {good ? StatusState::kSuccess : StatusState::kFailure, outcome(tally)};
}

std::string comment_of(const Json& run, const std::string& link) {
  const Verdict verdict = verdict_of(run);
  const char* word = verdict.state == StatusState::kSuccess   ? "good to merge"
                     : verdict.state == StatusState::kPending ? "waits"
                                                              : "not good";
  std::string out = fmt::format("**Lockstep: {}.** {}.\n", word, markdown_text(verdict.line));
  if (!run.is_object()) return out;
  const std::string id = text_of(run, "run");
  out += link.empty() ? fmt::format("\nRun {}\n", markdown_text(id))
                      : fmt::format("\n[Run {}]({})\n", markdown_text(id), link);
  add_steps(run, out);
  add_gates(run, out);
  return out;
}

}  // namespace lockstep
