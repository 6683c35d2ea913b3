// The workspace: check, status, lag, tables, diff, gc, doctor.
#include <algorithm>
#include <map>

#include "pipeline/cli/render.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

std::string slots(const Doc& status, const Style& style) {
  Table table(style, {"", "", "", "", ""}, "       ");
  for (const Doc& slot : status.list("slots")) {
    std::string step = slot.text("step");
    std::string memory;
    if (slot.number("memory_bytes") > 0) {
      memory = bytes_text(static_cast<uint64_t>(slot.number("memory_bytes")));
    }
    std::string run = slot.has("run") ? "run " + slot.text("run") : "";
    if (slot.has("since")) run += (run.empty() ? "since " : ", since ") + when(slot.text("since"));
    table.row({slot.text("name"), slot.text("device"), memory,
               step.empty() ? style.dim("idle") : step, step.empty() ? "" : run});
  }
  return table.text();
}

// Puts a label over the indent of the first line.
std::string labelled(const Style& style, std::string_view label, const std::string& block) {
  if (block.empty()) return "";
  return pad(style.bold(label), 7) + block.substr(7);
}

std::string queue(const Doc& status, const Style& style) {
  Table table(style, {"", "", ""}, "       ");
  auto queued = status.list("queue");
  for (size_t i = 0; i < queued.size() && i < kShown; ++i) {
    table.row({queued[i].text("step"), queued[i].text("priority"), queued[i].text("why")});
  }
  if (queued.size() > kShown) {
    table.row({"… and " + thousands(static_cast<int64_t>(queued.size() - kShown)) + " more"});
  }
  return table.text();
}

std::string source_list(const Doc& status, const Style& style) {
  Table table(style, {"", "", "", "", ""}, "       ");
  for (const Doc& source : status.list("sources")) {
    std::string says = style.red(source.text("error"));
    std::string quiet = source.has("quiet_until") ? when(source.text("quiet_until")) : "";
    if (quiet.size() > 11) says += "waits for quiet until " + quiet.substr(11);
    table.row({source.text("name"), source.text("kind"), source.text("branch"),
               short_id(source.text("commit")), says});
  }
  return table.text();
}

// Steps that say the same about themselves in one line.
std::string deferred_list(const Doc& status, const Style& style) {
  std::map<std::string, std::vector<std::string>> steps;
  for (const Doc& one : status.list("deferred")) {
    steps[one.text("why")].push_back(one.text("step"));
  }
  Table table(style, {"", ""}, "       ");
  for (const auto& [why, names] : steps) table.row({compress_names(names, 46), why});
  return table.text();
}

std::string channel_list(const Doc& status, const Style& style) {
  Table table(style, {"", ""}, "       ");
  for (const Doc& channel : status.list("channels")) {
    table.row({channel.text("name"),
               channel.has("tag") ? channel.text("tag") : style.dim("no release yet")});
  }
  return table.text();
}

std::string behind(const Doc& model) {
  std::vector<std::string> parts;
  if (model.number("rows")) parts.push_back(plural(model.number("rows"), "row"));
  if (model.number("commits")) parts.push_back(plural(model.number("commits"), "commit"));
  if (double hours = model.real("hours"); hours > 0) parts.push_back(duration(hours * 3600));
  return parts.empty() ? "" : join(parts, ", ") + " behind";
}

// "id=5 text=turn it off": the cells of a row, cut.
std::string cells(const Doc& row) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : row.fields()) {
    parts.push_back(name + "=" + (value.json().is_null() ? "NULL" : cut(value.text(), 60)));
  }
  return join(parts, "  ");
}

// Only the cells that differ, behind those that name the row.
std::string changed_cells(const Doc& before, const Doc& after, const Style& style) {
  std::vector<std::string> same, moved;
  for (const auto& [name, value] : after.fields()) {
    auto old = before.json().find(name);
    bool equal = old != before.json().end() && *old == value.json();
    std::string now = value.json().is_null() ? "NULL" : cut(value.text(), 60);
    if (equal) {
      same.push_back(name + "=" + cut(now, 24));
    } else {
      bool null = old != before.json().end() && old->is_null();
      std::string was = old == before.json().end() ? "" : null ? "NULL" : Doc(*old).text();
      moved.push_back(name + ": " + style.red(cut(was, 60)) + " → " + style.green(now));
    }
  }
  if (same.size() > 2) same.resize(2);
  return join(same, "  ") + (same.empty() ? "" : "  ") + join(moved, "  ");
}

std::string row_lines(const Doc& diff, const Style& style) {
  std::string out;
  for (const Doc& row : diff.list("rows")) {
    std::string kind = row.text("change");
    if (kind == "added") {
      out += style.green("+ " + cells(row.part("after"))) + "\n";
    } else if (kind == "removed") {
      out += style.red("- " + cells(row.part("before"))) + "\n";
    } else {
      out +=
          style.yellow("~ ") + changed_cells(row.part("before"), row.part("after"), style) + "\n";
    }
  }
  return out;
}

}  // namespace

std::string render_problem(const Doc& problem, const Style& style, bool warning) {
  std::string label = warning ? style.yellow("warning:") : style.red("error:");
  if (problem.is_text()) return label + " " + problem.text() + "\n";
  std::string out = label + " " + problem.text("message") + "\n";
  if (problem.has("where")) out += "  at " + problem.text("where") + "\n";
  if (problem.has("hint")) out += "  hint: " + problem.text("hint") + "\n";
  return out;
}

std::string render_check(const Doc& check, const Style& style) {
  std::string out;
  for (const Doc& error : check.list("errors")) out += render_problem(error, style);
  for (const Doc& warning : check.list("warnings")) out += render_problem(warning, style, true);
  auto errors = static_cast<int64_t>(check.list("errors").size());
  if (!check.flag("ok")) return out + transcript_line(style, "check", plural(errors, "error"));
  Table table(style, {"", "", ">"}, "       ");
  for (const Doc& workflow : check.list("workflows")) {
    table.row(
        {workflow.text("name"), workflow.text("file"), plural(workflow.number("steps"), "step")});
  }
  auto workflows = static_cast<int64_t>(check.list("workflows").size());
  return out +
         transcript_line(style, "check",
                         "ok: " + plural(workflows, "workflow") + ", " +
                             plural(check.number("instances"), "step instance") + ", " +
                             plural(check.number("models"), "model")) +
         table.text();
}

std::string render_status(const Doc& status, const Style& style) {
  std::string serving =
      status.flag("serving") ? "serving, pid " + status.text("pid") : "no daemon serves it";
  std::string out = transcript_line(style, "at", status.text("workspace"), serving);
  Doc models = status.part("models");
  if (models.number("total")) {
    out += transcript_line(
        style, "models",
        thousands(models.number("in_step")) + "/" + thousands(models.number("total")) + " in step");
  }
  out += labelled(style, "slots", slots(status, style));
  out += labelled(style, "queue", queue(status, style));
  out += labelled(style, "deferred", deferred_list(status, style));
  out += labelled(style, "source", source_list(status, style));
  out += labelled(style, "live", channel_list(status, style));
  for (const Doc& channel : status.list("channels")) {
    if (!channel.has("held")) continue;
    out += transcript_line(style, style.yellow("held"),
                           "release of " + channel.text("name") + ": " + channel.text("held"));
  }
  if (status.has("trouble")) {
    out += transcript_line(style, style.red("trouble"), status.text("trouble"),
                           "nothing is accepted; it goes on by itself");
  }
  if (status.has("held")) {
    out += transcript_line(style, style.yellow("held"), status.part("held").text("why"),
                           "lockstep approve-change");
  }
  for (const Doc& one : status.list("outbox")) {
    out += transcript_line(style, style.yellow(one.flag("given_up") ? "given up" : "not taken"),
                           one.text("what") + " " + one.text("target"), one.text("error"));
  }
  if (status.flag("serving") && status.part("runner").json().is_null()) {
    out += transcript_line(style, style.red("runner"), "not there: nothing can start");
  }
  return out;
}

std::string render_lag(const Doc& lag, const Style& style, bool all) {
  auto models = lag.list();
  Table table(style, {"", "", "", ""});
  int64_t in_step = 0;
  size_t shown = 0, late = 0;
  for (const Doc& model : models) {
    in_step += model.flag("in_step");
    if (model.flag("in_step") || (++late > kShown && !all)) continue;
    ++shown;
    std::string version = model.has("version") ? "version " + model.text("version") : "";
    table.row({model.text("model"), version, behind(model), model.text("why")});
  }
  std::string out = thousands(in_step) + "/" + thousands(static_cast<int64_t>(models.size())) +
                    " in step\n" + table.text();
  if (late > shown) {
    out += "… and " + thousands(static_cast<int64_t>(late - shown)) + " more (--all)\n";
  }
  return out;
}

std::string render_tables(const Doc& tables, const Style& style, bool first) {
  std::vector<std::string> headings(7);
  if (first) headings = {"TABLE", ">ROWS", "KEY", "PARTITION", "COLUMNS", "COMMIT", ""};
  Table table(style, std::move(headings));
  for (const Doc& one : tables.list()) {
    std::vector<std::string> columns;
    for (const Doc& column : one.list("columns")) {
      std::string type = column.text("type");
      columns.push_back(column.text("name") + (type.empty() ? "" : " " + type));
    }
    table.row({one.text("source") + "/" + one.text("table"),
               one.has("rows") ? thousands(one.number("rows")) : "", join(one.texts("key"), ", "),
               one.text("partition"), cut(few(columns, 6), 70), short_id(one.text("commit")),
               style.red(one.text("error"))});
  }
  return table.empty() && first ? "no tables\n" : table.text();
}

std::string render_diff(const Doc& diff, const Style& style, bool first) {
  if (!first) return row_lines(diff, style);
  std::string change = change_text(diff);
  return transcript_line(style, "diff",
                         diff.text("source") + "/" + diff.text("table") + "   " +
                             short_id(diff.text("from")) + " → " + short_id(diff.text("to")),
                         change.empty() ? "no row differs" : change) +
         row_lines(diff, style);
}

std::string render_import(const Doc& import, const Style& style) {
  const std::string change = change_text(import);
  std::string out = transcript_line(
      style, "import", import.text("source") + "/" + import.text("table"),
      (change.empty() ? "nothing differs" : change) + "   from " + import.text("place"));
  out += row_lines(import, style);
  if (import.flag("more")) out += "… and more\n";
  if (import.number("kept")) {
    out += transcript_line(style, "kept", plural(import.number("kept"), "row"),
                           "not in the sheet; delete: false");
  }
  if (import.has("commit")) {
    out += transcript_line(style, "commit",
                           short_id(import.text("commit")) + " on " + import.text("branch"));
  } else if (import.flag("dry_run") && !change.empty()) {
    out += transcript_line(style, "dry run", "nothing was written");
  }
  return out;
}

std::string render_gc(const Doc& gc, const Style& style) {
  auto freed = gc.list("freed");
  std::string what = plural(static_cast<int64_t>(freed.size()), "artifact") + ", " +
                     bytes_text(static_cast<uint64_t>(gc.number("bytes")));
  std::string out =
      transcript_line(style, "gc", (gc.flag("dry_run") ? "would free " : "freed ") + what,
                      "kept " + plural(gc.number("held"), "artifact"));
  for (const Doc& one : gc.list("held_by")) {
    out += transcript_line(style, "held",
                           plural(one.number("artifacts"), "artifact") + ", " +
                               bytes_text(static_cast<uint64_t>(one.number("bytes"))),
                           one.text("why"));
  }
  return out;
}

std::string render_reload(const Doc& reload, const Style& style) {
  std::string out;
  for (const Doc& error : reload.list("errors")) {
    out += transcript_line(style, style.red("error"), error.text("message"), error.text("where"));
    if (error.has("hint")) out += transcript_line(style, "", "hint: " + error.text("hint"));
  }
  if (!reload.flag("ok")) {
    return out + transcript_line(style, "kept", "the configuration as it was before");
  }
  std::vector<std::string> changed = reload.texts("changed");
  out += transcript_line(style, "taken",
                         changed.empty() ? "nothing has changed" : join(changed, ", "));
  for (const std::string& what : reload.texts("needs_restart")) {
    out += transcript_line(style, style.yellow("restart"), what + " needs a restart");
  }
  return out;
}

std::string render_doctor(const Doc& doctor, const Style& style) {
  Table table(style, {"", "", ""});
  for (const Doc& check : doctor.list("checks")) {
    bool ok = check.flag("ok");
    table.row(
        {ok ? style.green("ok") : style.red("missing"), check.text("name"), check.text("message")});
    if (!ok && check.has("fix")) table.row({"", "", "hint: " + check.text("fix")});
  }
  return table.text();
}

}  // namespace lockstep
