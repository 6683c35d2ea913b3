// Models: the list, one version, why it is so, answers, replays, rollbacks, pins.
#include <algorithm>
#include <cmath>

#include "pipeline/cli/render.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

std::string channels_text(const Doc& channels) {
  std::vector<std::string> parts;
  for (const auto& [name, version] : channels.fields()) {
    parts.push_back(name + " " + version.text());
  }
  return few(parts, 3);
}

// One fact of a version; nothing where there is none.
std::string line(const Style& style, std::string_view label, std::string_view left,
                 std::string_view right = "") {
  return left.empty() ? "" : transcript_line(style, label, left, right, 13);
}

std::string commits_text(const Doc& commits) {
  std::vector<std::string> parts;
  for (const auto& [source, commit] : commits.fields()) {
    parts.push_back(source + " " + short_id(commit.text()));
  }
  return few(parts, 6);
}

std::string slice_name(const Doc& one) {
  return one.text(one.has("slice") ? "slice" : "table");
}

std::string inputs(const Doc& model, const Style& style) {
  std::string out;
  for (const Doc& slice : model.list("slices")) {
    out += line(style, "data", slice_name(slice) + "   " + plural(slice.number("rows"), "row"),
                "commit " + short_id(slice.text("commit")));
  }
  for (const Doc& upstream : model.list("upstreams")) {
    std::string what = upstream.has("model")
                           ? upstream.text("model") + "@" + upstream.text("version")
                           : upstream.text("input");
    out += line(style, "from", what, short_id(upstream.text("digest")));
  }
  out += line(style, "commits", commits_text(model.part("commits")));
  std::vector<std::string> people;
  for (const Doc& person : model.list("committers")) {
    std::string name = person.text("author");
    if (std::find(people.begin(), people.end(), name) == people.end()) people.push_back(name);
  }
  return out + line(style, "rows by", few(people, 5));
}

std::string versions(const Doc& model, const Style& style, bool all) {
  Table table(style, {">VERSION", "CREATED", "SHA256", "METRICS"});
  auto list = model.list("versions");
  size_t first = all || list.size() <= kShown ? 0 : list.size() - kShown;
  for (size_t i = first; i < list.size(); ++i) {
    const Doc& one = list[i];
    std::string metrics = one.has("metrics") ? metrics_text(one.part("metrics"), 2) : "";
    if (metrics.empty() && one.has("accuracy")) metrics = "accuracy " + one.text("accuracy");
    table.row(
        {one.text("version"), when(one.text("created")), short_id(one.text("sha256")), metrics});
  }
  return table.empty() ? "" : "\n" + table.text();
}

std::string moves(const Doc& model, const Style& style, bool all) {
  Table table(style, {"MOVED", "ALIAS", "VERSION", "WHO", "WHY"});
  auto list = model.list("moves");
  size_t first = all || list.size() <= kShown ? 0 : list.size() - kShown;
  for (size_t i = first; i < list.size(); ++i) {
    const Doc& move = list[i];
    std::string to = move.number("to") ? move.text("to") : "absent";
    table.row({when(move.text("time")), move.text("alias"),
               move.number("from") ? move.text("from") + " → " + to : to, move.text("who"),
               move.text("why")});
  }
  return table.empty() ? "" : "\n" + table.text();
}

std::string pin_text(const Doc& pin) {
  std::string text = "pinned";
  if (pin.has("version")) {
    text += pin.number("version") ? " at version " + pin.text("version") : " as absent";
  }
  if (pin.has("alias")) text += " (" + pin.text("alias") + ")";
  if (pin.has("who")) text += " by " + pin.text("who");
  if (pin.has("reason")) text += ", \"" + pin.text("reason") + "\"";
  return text;
}

std::string gate_text(const Doc& gate) {
  if (gate.json().is_null()) return "";
  std::string verdict = gate.text("verdict");
  if (gate.part("approved").json().is_object()) {
    return "gate: " + verdict + "; approved by " + gate.part("approved").text("who");
  }
  if (gate.text("action") == "ask") return "waits for approval: " + verdict;
  if (!verdict.empty() && verdict != "passed") return "gate: " + verdict;
  return gate.flag("passed") ? "gate passed" : "gate not passed";
}

std::string range(const Doc& one) {
  std::string from = short_id(one.text("from")), to = short_id(one.text("to"));
  return from.empty() || from == to ? to : from + " → " + to;
}

std::string by(const Doc& one) {
  auto authors = one.texts("authors");
  return authors.empty() ? "" : "by " + few(authors, 3);
}

std::string why_inputs(const Doc& why, const Style& style) {
  Table table(style, {"", "", "", "", ""});
  bool first = true;
  auto label = [&](const char* name) {
    return std::exchange(first, false) ? pad(style.bold(name), 4) : std::string();
  };
  for (const Doc& data : why.list("data")) {
    table.row(
        {label("data"), slice_name(data), range(data), change_text(data.part("rows")), by(data)});
  }
  first = true;
  for (const Doc& code : why.list("code")) {
    table.row({label("code"), few(paths_text(code), 3), range(code),
               code.number("files") ? change_text(code) : "", by(code)});
  }
  first = true;
  for (const Doc& upstream : why.list("upstream")) {
    std::string name = upstream.text(upstream.has("model") ? "model" : "step");
    if (name.empty()) name = upstream.text("input");
    table.row({label("from"), name, range(upstream)});
  }
  return table.text();
}

}  // namespace

std::string metrics_text(const Doc& metrics, size_t shown) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : metrics.fields()) {
    auto place = name == "accuracy" ? parts.begin() : parts.end();
    parts.insert(place, name + " " + value.text());
  }
  if (parts.size() > shown) parts.resize(shown);
  return join(parts, ", ");
}

std::string render_models(const Doc& models, const Style& style) {
  Table table(style, {"MODEL", ">VERSION", "SHA256", "METRICS", "CHANNELS", ""});
  for (const Doc& model : models.list()) {
    std::vector<std::string> marks;
    if (model.flag("pinned")) marks.push_back(style.yellow("pinned"));
    if (model.flag("retired")) marks.push_back(style.dim("retired"));
    table.row({model.text("name"), model.text("version"), short_id(model.text("sha256")),
               metrics_text(model.part("metrics"), 2), channels_text(model.part("channels")),
               join(marks, ", ")});
  }
  return table.empty() ? "no models yet: lockstep run\n" : table.text();
}

std::string render_model(const Doc& model, const Style& style, bool all) {
  std::string version = model.text(model.has("version") ? "version" : "number");
  std::string name = model.text(model.has("model") ? "model" : "name");
  std::string digest = model.text(model.has("sha256") ? "sha256" : "digest");
  std::string out = line(style, "model", name + "@" + version, join(model.texts("aliases"), ", "));
  out += line(style, "sha256", digest);
  out += line(style, "step", model.text("step"), model.text("attempt"));
  out += line(style, "metrics", metrics_text(model.part("metrics"), 8));
  out += line(style, "gate", model.part("gate").text("verdict"));
  out += inputs(model, style);
  out += line(style, "code", model.text("code_tree"));
  out += line(style, "fingerprint", model.text("fingerprint"));
  out += line(style, "trigger", model.text("trigger"));
  out += line(style, "imported", model.text("imported"));
  if (model.flag("nondeterministic")) {
    out += line(style, "note", "nondeterministic: the same inputs gave other bytes before");
  }
  if (model.has("withdrawn")) {
    Doc mark = model.part("withdrawn");
    std::string text = mark.json().is_object()
                           ? "by " + mark.text("who") + ", \"" + mark.text("reason") + "\""
                           : mark.text();
    out += line(style, "withdrawn", text);
  }
  for (const Doc& pin : model.list("pins")) out += line(style, "pin", pin_text(pin));
  return out + remarks_text(model, style, all) + versions(model, style, all) +
         moves(model, style, all);
}

std::string render_why(const Doc& why, const Style& style) {
  std::string name = why.text(why.has("model") ? "model" : "step");
  if (why.has("version")) name += "@" + why.text("version");
  std::vector<std::string> facts;
  for (const char* fact : {"alias", "state"}) {
    if (why.has(fact)) facts.push_back(why.text(fact));
  }
  if (std::string gate = gate_text(why.part("gate")); !gate.empty()) facts.push_back(gate);
  std::string out = transcript_line(style, "why", name, join(facts, ", "));
  if (why.has("preview")) {
    out += transcript_line(style, "", "made for " + preview_text(why.part("preview")));
  }
  for (const Doc& reason : why.list("because")) {
    out += transcript_line(style, "", reason_text(reason));
  }
  if (why.part("because").is_text()) out += transcript_line(style, "", why.text("because"));
  if (why.part("pinned").json().is_object()) {
    out += transcript_line(style, "", pin_text(why.part("pinned")));
  }
  if (why.has("withdrawn")) {
    Doc mark = why.part("withdrawn");
    out += transcript_line(
        style, "", "withdrawn by " + mark.text("who") + ", \"" + mark.text("reason") + "\"");
  }
  return out + why_inputs(why, style);
}

std::string render_predict(const Doc& predict, const Style& style) {
  Table table(style, {"", ">", ""});
  for (const Doc& answer : predict.list("answers")) {
    std::string score = answer.has("score")
                            ? style.dim(decimal(std::round(answer.real("score") * 1000) / 1000))
                            : "";
    table.row({style.bold(answer.text("label")), score, cut(answer.text("text"), 80)});
  }
  std::string name = predict.text("model") + "@" + predict.text("version");
  return table.empty() ? name + ": no rows\n" : table.text();
}

std::string render_replay(const Doc& replay, const Style& style) {
  bool same = replay.flag("identical");
  std::string out =
      transcript_line(style, "replay", replay.text("model") + "@" + replay.text("version"),
                      (same ? style.green("same bytes") : style.red("other bytes")) +
                          (replay.has("seconds") ? ", " + duration(replay.real("seconds")) : ""));
  out += transcript_line(style, "was", replay.text("recorded"));
  if (!same) out += transcript_line(style, "is", replay.text("replayed"));
  for (const std::string& one : replay.texts("differences")) {
    out += transcript_line(style, "differs", one);
  }
  return out;
}

std::string render_rollback(const Doc& rollback, const Style& style, bool dry_run) {
  std::string out = transcript_line(
      style, "model",
      rollback.text("model") + " " + rollback.text("from") + " → " + rollback.text("to"),
      "version " + rollback.text("from") + " is withdrawn");
  std::map<std::string, std::string> moved;  // a dependent's "1 → 2" → the aliases
  for (const Doc& one : rollback.list("dependents")) {
    std::string move = one.text("model") + " " + one.text("from") + " → " + one.text("to");
    moved[move] += (moved[move].empty() ? "" : ", ") + one.text("alias");
  }
  for (const auto& [move, aliases] : moved) {
    out += transcript_line(style, "with it", move, aliases);
  }
  auto to_train = rollback.texts("to_train");
  if (!to_train.empty()) {
    out += transcript_line(style, "train", compress_names(to_train, 60),
                           "no version on " + rollback.text("model") + " " + rollback.text("to"));
  }
  for (const Doc& release : rollback.list("releases")) {
    std::string what =
        release.flag("known") ? "known content: re-pointed, nothing built" : "new content: built";
    if (release.text("from") == release.text("to")) what = "unchanged";
    if (rollback.list("releases").size() > 1) what = release.text("channel") + ": " + what;
    if (rollback.has("to")) what += "; pinned at version " + rollback.text("to");
    out += transcript_line(style, "release", release.text("to"), what);
  }
  if (dry_run) {
    for (const Doc& pin : rollback.list("pinned")) {
      out += transcript_line(style, "pin", pin.text("model") + " " + pin.text("version"),
                             pin.text("alias"));
    }
  }
  return dry_run ? out + "dry run: nothing was moved\n" : out;
}

std::string render_pins(const Doc& answer, const Style& style, bool dry_run) {
  std::string out;
  for (const Doc& pin : answer.list("pins")) {
    out += transcript_line(style, "pin", answer.text("model"), pin_text(pin));
  }
  for (const Doc& unpinned : answer.list("unpinned")) {
    out += transcript_line(style, "unpin", unpinned.text("model"), unpinned.text("alias"));
  }
  return dry_run ? out + "dry run: nothing was changed\n" : out;
}

}  // namespace lockstep
