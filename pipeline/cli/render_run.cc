// Runs: the transcript of one, and the list.
#include <algorithm>
#include <set>

#include "pipeline/cli/render.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

constexpr int64_t kBar = 12;

struct SourceLine {
  std::string label, name, what, commit;
};

std::vector<SourceLine> source_lines(const Doc& run) {
  std::vector<SourceLine> lines;
  for (const Doc& data : run.list("data")) {
    std::string what = plural(data.number("rows"), "row");
    if (data.has("by")) {
      what += ", " + plural(data.part("by").number("values"), data.part("by").text("column"));
    }
    lines.push_back({"data", data.text("table"), what, data.text("commit")});
  }
  for (const Doc& code : run.list("code")) {
    lines.push_back({"code", few(paths_text(code), 2), plural(code.number("files"), "file"),
                     code.text("commit")});
  }
  return lines;
}

std::string sources(const Doc& run, const Style& style) {
  auto lines = source_lines(run);
  size_t names = 10;
  for (const SourceLine& line : lines) names = std::max(names, width(line.name));
  std::string out;
  for (const SourceLine& line : lines) {
    out += transcript_line(style, line.label, pad(line.name, names) + "   " + line.what,
                           "commit " + short_id(line.commit));
  }
  return out;
}

// What the plan was: as recorded, or (an older document) as the steps tell now.
Json planned(const Doc& run) {
  if (run.part("planned").has("counts")) return run.part("planned").part("counts").json();
  Json counts = Json::object();
  for (const Doc& step : run.list("steps")) {
    std::string state = step.text("state");
    bool settled =
        state == "current" || state == "deferred" || state == "blocked" || state == "waiting";
    std::string key = settled ? state : "run";
    counts[key] = counts.value(key, 0) + 1;
  }
  return counts;
}

std::vector<std::string> changes(const Doc& run) {
  std::vector<std::string> out;
  for (const Doc& change : run.list("changes")) {
    std::string subject = change.text(change.has("slice") ? "slice" : "table");
    auto paths = paths_text(change);
    if (!paths.empty()) subject = few(paths, 2);
    std::string what = change_text(change);
    out.push_back(what.empty() ? subject : subject + ": " + what);
  }
  return out;
}

std::string plan_lines(const Doc& run, const Style& style) {
  auto because = changes(run);
  std::string right = run.flag("first") ? "(first run)" : because.empty() ? "" : because[0];
  Json counts = planned(run);
  std::string out = transcript_line(
      style, "plan", plan_summary(counts, run.part("planned").texts("waits_for")), right);
  if (run.flag("first")) return out;
  for (size_t i = 1; i < because.size(); ++i) {
    if (i == 5) {
      auto more = static_cast<int64_t>(because.size() - i);
      return out + transcript_line(style, "", "", "and " + plural(more, "more change"));
    }
    out += transcript_line(style, "", "", because[i]);
  }
  return out;
}

bool takes_part(const std::string& state) {
  return state != "current" && state != "deferred" && state != "blocked";
}

std::string shown_name(const Doc& step) {
  return step.text(step.has("model") ? "model" : "step");
}

std::string failures(const Doc& run, const Style& style) {
  std::string out;
  std::vector<std::string> blocked;
  size_t failed = 0;
  for (const Doc& step : run.list("steps")) {
    if (step.text("state") == "blocked") blocked.push_back(step.text("step"));
    if (step.text("state") != "failed" || failed++ >= kShown) continue;
    out += transcript_line(style, style.red("failed"), step.text("step"), step.text("error"));
    out += transcript_line(
        style, "", "lockstep logs " + shell_word(run.text("run") + "/" + step.text("step")));
  }
  if (failed > kShown) {
    out += "       … and " + thousands(static_cast<int64_t>(failed - kShown)) + " more\n";
  }
  if (!blocked.empty()) {
    out += transcript_line(style, style.yellow("blocked"), compress_names(blocked, 90));
  }
  return out;
}

std::string gates(const Doc& run, const Style& style) {
  Doc gates = run.part("gates");
  auto failed = gates.list("failed");
  int64_t passed = gates.number("passed");
  if (!passed && failed.empty()) return "";
  std::string left = thousands(passed) + " passed";
  if (!failed.empty()) {
    left += ", " + style.red(thousands(static_cast<int64_t>(failed.size())) + " rejected");
  }
  std::string out = transcript_line(style, "gate", left);
  for (size_t i = 0; i < failed.size() && i < kShown; ++i) {
    out += transcript_line(style, "", failed[i].text("model") + "@" + failed[i].text("version"),
                           failed[i].text("verdict"));
  }
  return out;
}

// "intent-client-3 1 → 2", equal moves together: "intent-client-1 … 8 1 → 2".
std::vector<std::string> moves(const Doc& run) {
  std::vector<std::pair<std::string, std::vector<std::string>>> grouped;
  for (const Doc& move : run.list("moves")) {
    std::string from = move.number("from") ? move.text("from") + " → " : "new at ";
    std::string text = from + (move.number("to") ? move.text("to") : "absent");
    auto it = std::find_if(grouped.begin(), grouped.end(),
                           [&](const auto& one) { return one.first == text; });
    if (it == grouped.end()) it = grouped.insert(it, {text, {}});
    it->second.push_back(move.text("model"));
  }
  std::vector<std::string> out;
  for (const auto& [text, models] : grouped) out.push_back(compress_names(models, 60) + " " + text);
  return out;
}

std::string release_right(const Doc& run, const Doc& release) {
  if (!release.flag("moved")) return "unchanged";
  std::vector<std::string> parts;
  if (run.list("releases").size() > 1) parts.push_back(release.text("channel"));
  if (release.flag("known")) {
    parts.push_back("known content: re-pointed, nothing built");
  } else if (run.flag("first") || run.list("moves").empty()) {
    parts.push_back(plural(release.number("models"), "model") + " → " + release.text("folder"));
    parts.push_back("lockstep release show " + release.text("tag").substr(0, 6));
    return join(parts, ", ");
  }
  auto moved = moves(run);
  if (!moved.empty()) parts.push_back(few(moved, 3));
  return join(parts, ": ");
}

std::string releases(const Doc& run, const Style& style) {
  std::string out;
  for (const Doc& release : run.list("releases")) {
    if (!release.has("tag")) continue;
    out += transcript_line(style, "release", release.text("tag"), release_right(run, release));
    if (release.has("pushed"))
      out += transcript_line(style, "", "", "pushed " + release.text("pushed"));
    for (const char* list : {"held_back", "missing"}) {
      auto names = release.list(list);
      for (size_t i = 0; i < names.size() && i < kShown; ++i) {
        std::string label = list == std::string("missing") ? "missing: " : "held back: ";
        Doc model = names[i].part("model");
        std::string what =
            model.text().empty() ? names[i].text() : model.text() + ": " + names[i].text("why");
        out += transcript_line(style, "", label + what);
      }
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> paths_text(const Doc& code) {
  auto paths = code.texts("paths");
  for (std::string& path : paths) {
    while (path.size() > 1 && path.back() == '*') path.pop_back();
  }
  return paths;
}

std::string render_run_head(const Doc& run, const Style& style, bool with_sources) {
  std::string out;
  if (with_sources || run.flag("first")) out += sources(run, style);
  return out + plan_lines(run, style);
}

std::string render_run_train(const Doc& run, const Style& style) {
  std::vector<std::string> names;
  bool models = false;
  int64_t done = 0;
  for (const Doc& step : run.list("steps")) {
    std::string state = step.text("state");
    if (!takes_part(state)) continue;
    models |= step.has("model");
    names.push_back(shown_name(step));
    done += state == "done";
  }
  auto total = static_cast<int64_t>(names.size());
  if (total == 0) return "";
  std::string bar;
  for (int64_t i = 0; i < kBar; ++i) bar += i < done * kBar / total ? "█" : "░";
  std::string right = style.green(bar) + " " + thousands(done) + "/" + thousands(total);
  if (run.has("seconds")) right += "   " + duration(run.real("seconds"));
  std::string line =
      transcript_line(style, models ? "train" : "steps", compress_names(names, 38), right);
  line.pop_back();
  return line;
}

std::string render_run_tail(const Doc& run, const Style& style) {
  std::string out = render_run_train(run, style);
  if (!out.empty()) out += "\n";
  out += failures(run, style) + gates(run, style) + releases(run, style);
  if (run.has("preview")) {
    Doc preview = run.part("preview");
    std::string models = plural(static_cast<int64_t>(preview.list("models").size()), "model");
    out += transcript_line(style, "preview", preview_text(preview),
                           models + " would change; none is live");
    out += render_preview_models(preview, style);
  }
  if (run.has("held")) {
    Doc held = run.part("held");
    out +=
        transcript_line(style, style.yellow("held"), held.text("why"), "lockstep approve-change");
  }
  std::string result = run.text("result");
  if (result == "superseded" || result == "cancelled") out += transcript_line(style, result, "");
  for (const std::string& note : run.texts("notes")) out += transcript_line(style, "note", note);
  return out;
}

std::string render_run(const Doc& run, const Style& style) {
  std::string started = when(run.text("started"));
  std::string left = run.text("run") + "   " + run.text("result");
  if (run.has("trigger")) left += " (" + run.text("trigger") + ")";
  if (run.has("preview")) left += "   " + preview_text(run.part("preview"));
  return transcript_line(style, "run", left, started) + render_run_head(run, style, true) +
         render_run_tail(run, style);
}

std::string render_runs(const Doc& runs, const Style& style) {
  Table table(style,
              {"RUN", "RESULT", "TRIGGER", "STARTED", ">TIME", ">EXECUTED", ">FAILED", "RELEASE"});
  for (const Doc& run : runs.list()) {
    std::string result = run.text("result");
    if (result == "failed") result = style.red(result);
    std::string trigger = run.text("trigger");
    if (run.has("preview")) trigger = cut(preview_text(run.part("preview")), 40);
    table.row({run.text("run"), result, trigger, when(run.text("started")),
               run.has("seconds") ? duration(run.real("seconds")) : "", run.text("executed"),
               run.text("failed"), run.text("release").substr(0, 6)});
  }
  return table.empty() ? "no runs yet\n" : table.text();
}

}  // namespace lockstep
