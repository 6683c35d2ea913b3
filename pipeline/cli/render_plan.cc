// Plans and their reasons.
#include <algorithm>
#include <map>

#include "pipeline/cli/render.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

// In the order in which people ask for them.
constexpr const char* kStates[] = {"run", "waiting", "deferred", "blocked", "failed"};

std::string state_phrase(const std::string& state, int64_t count,
                         const std::vector<std::string>& waits_for) {
  std::string text = thousands(count) + " ";
  if (state == "run") return text + "to run";
  if (state == "waiting" && !waits_for.empty()) {
    return text + "waiting for " + compress_names(waits_for, 30);
  }
  return text + state;
}

// Steps of one state that say the same about themselves are drawn together.
struct Entry {
  std::vector<std::string> steps;
  std::string says;
};

std::string says(const Doc& step) {
  std::vector<std::string> parts;
  for (const Doc& reason : step.list("reasons")) parts.push_back(reason_text(reason));
  std::string text = few(parts, 3, "; ");
  auto waits = step.texts("waits_for");
  if (!waits.empty()) {
    text += (text.empty() ? "waits for " : "; waits for ") + compress_names(waits, 60);
  }
  if (step.has("note")) text += (text.empty() ? "" : "; ") + step.text("note");
  return text;
}

std::vector<Entry> entries(const Doc& plan, const std::string& state) {
  std::vector<Entry> out;
  std::map<std::string, size_t> at;
  for (const Doc& step : plan.list("steps")) {
    if (step.text("state") != state) continue;
    std::string text = says(step);
    auto [it, added] = at.emplace(text, out.size());
    if (added) out.push_back({{}, text});
    out[it->second].steps.push_back(step.text("step"));
  }
  return out;
}

void add_state(Table& table, const Doc& plan, const std::string& state, bool all,
               const Style& style) {
  auto found = entries(plan, state);
  std::string label = state == "failed" ? style.red(state) : style.bold(state);
  for (size_t i = 0; i < found.size(); ++i) {
    if (!all && i == kShown) {
      table.row(
          {"", "… and " + thousands(static_cast<int64_t>(found.size() - i)) + " more (--all)"});
      return;
    }
    table.row({i ? "" : label, compress_names(found[i].steps, all ? 0 : 46), found[i].says});
  }
}

// The counts of the document, or of its steps where it has none.
Json counts(const Doc& plan) {
  if (plan.has("counts")) return plan.part("counts").json();
  Json out = Json::object();
  for (const Doc& step : plan.list("steps")) {
    std::string state = step.text("state");
    out[state] = out.value(state, 0) + 1;
  }
  return out;
}

std::vector<std::string> waited_for(const Doc& plan) {
  std::vector<std::string> names;
  for (const Doc& step : plan.list("steps")) {
    if (step.text("state") != "waiting") continue;
    for (const std::string& name : step.texts("waits_for")) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

// The one reason of everything that is to run, or nothing: then the list below says it.
std::string headline(const Doc& plan) {
  if (plan.flag("first")) return "(first run)";
  auto found = entries(plan, "run");
  return found.size() == 1 ? found[0].says : "";
}

std::string commits_line(const Doc& plan, const Style& style) {
  std::vector<std::string> parts;
  for (const auto& [source, commit] : plan.fields("commits")) {
    parts.push_back(source + " " + short_id(commit.text()));
  }
  return parts.empty() ? "" : transcript_line(style, "at", few(parts, 8));
}

std::string models_lines(const Doc& plan, const Style& style) {
  std::string out;
  auto added = plan.texts("added"), retired = plan.texts("retired");
  if (!added.empty()) out += transcript_line(style, "new", compress_names(added, 90));
  if (!retired.empty()) out += transcript_line(style, "retired", compress_names(retired, 90));
  if (plan.has("held")) {
    out += transcript_line(style, "held", plan.part("held").text("why"), "lockstep approve-change");
  }
  return out;
}

}  // namespace

std::string few(const std::vector<std::string>& parts, size_t shown, std::string_view between) {
  if (parts.size() <= shown) return join(parts, between);
  std::vector<std::string> head(parts.begin(), parts.begin() + static_cast<long>(shown));
  return join(head, between) + std::string(between) + "and " +
         thousands(static_cast<int64_t>(parts.size() - shown)) + " more";
}

std::string change_text(const Doc& change) {
  if (change.has("files")) return plural(change.number("files"), "file") + " changed";
  std::vector<std::string> parts;
  for (const char* kind : {"changed", "added", "removed"}) {
    int64_t count = change.number(kind);
    if (!count) continue;
    parts.push_back((parts.empty() ? plural(count, "row") : thousands(count)) + " " + kind);
  }
  return join(parts, ", ");
}

std::string reason_text(const Doc& reason) {
  if (reason.is_text()) return reason.text();
  std::string change = reason.text("change");
  if (change.empty()) {
    std::string kind = reason.text("kind");
    int64_t count = reason.number("changed");
    if (count && kind == "rows") change = plural(count, "row") + " changed";
    if (count && kind == "code") change = plural(count, "file") + " changed";
    if (change.empty()) change = kind + " changed";
  }
  std::string subject = reason.text(reason.has("slice") ? "slice" : "input");
  return subject.empty() ? change : subject + ": " + change;
}

std::string plan_summary(const Doc& counts, const std::vector<std::string>& waits_for) {
  int64_t total = 0, current = counts.number("current");
  std::vector<std::string> parts;
  for (const auto& [state, count] : counts.fields()) {
    total += count.json().is_number_integer() ? count.json().get<int64_t>() : 0;
  }
  if (total == current) return plural(total, "step") + (total ? ": all current" : "");
  for (const char* state : kStates) {
    int64_t count = counts.number(state);
    if (count) parts.push_back(state_phrase(state, count, waits_for));
  }
  if (current) parts.push_back(thousands(current) + " current");
  return plural(total, "step") + ": " + join(parts, ", ");
}

std::string render_plan(const Doc& plan, const Style& style, bool all) {
  Json counted = counts(plan);
  std::string out =
      transcript_line(style, "plan", plan_summary(counted, waited_for(plan)), headline(plan));
  out += commits_line(plan, style);
  out += models_lines(plan, style);
  Table table(style, {"", "", ""});
  for (const char* state : kStates) add_state(table, plan, state, all, style);
  std::vector<std::string> current;
  for (const Entry& entry : entries(plan, "current")) {
    current.insert(current.end(), entry.steps.begin(), entry.steps.end());
  }
  if (!table.empty()) {
    if (!current.empty()) {
      table.row({style.bold("current"), compress_names(current, all ? 0 : 90)});
    }
    out += "\n" + table.text();
  }
  for (const Doc& problem : plan.list("problems")) out += "\n" + render_problem(problem, style);
  return out;
}

}  // namespace lockstep
