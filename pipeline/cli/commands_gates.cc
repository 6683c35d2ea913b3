// gate, approve.
#include <fmt/format.h>

#include "pipeline/base/error.h"
#include "pipeline/cli/commands.h"
#include "pipeline/cli/context.h"
#include "pipeline/cli/render.h"
#include "pipeline/cli/table.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

std::string short_number(const Doc& of, const char* name) {
  return fmt::format("{:.4g}", of.real(name));
}

// Champion and challenger on all rows or a slice, in a line.
std::vector<std::string> measured(const Doc& one) {
  const std::string slice = one.text("slice");
  if (!one.flag("judged")) {
    return {slice.empty() ? "all" : slice,          one.text("rows"), "", "", "", "", "",
            "not judged: " + one.text("not_judged")};
  }
  std::string p = short_number(one, "p");
  if (one.number("together") > 1) p += " (" + short_number(one, "adjusted_p") + ")";
  return {slice.empty() ? "all" : slice,   one.text("rows"),   short_number(one, "champion"),
          short_number(one, "challenger"), one.text("lost"),   one.text("gained"),
          one.text("test") + ", p = " + p, one.text("verdict")};
}

std::string render_rows(const char* head, const std::vector<Doc>& rows, const Style& style) {
  constexpr size_t kShown = 10;
  if (rows.empty()) return "";
  Table table(style, {"ROW", "EXPECTED", "CHAMPION", "CHALLENGER"}, "  ");
  for (size_t i = 0; i < rows.size() && i < kShown; ++i) {
    table.row({rows[i].text("key"), rows[i].text("expected"), rows[i].text("champion"),
               rows[i].text("challenger")});
  }
  return std::string("\n") + head + "\n" + table.text();
}

std::string render_comparison(const Doc& one, const Style& style) {
  std::string out = "\n" + one.text("metric") + " (" + one.text("better") +
                    " is better): " + one.text("why") + "\n";
  Table table(style, {"SLICE", ">ROWS", ">CHAMPION", ">CHALLENGER", ">LOST", ">GAINED", "TEST", ""},
              "  ");
  table.row(measured(one.part("all")));
  for (const Doc& slice : one.list("slices")) table.row(measured(slice));
  out += table.text();
  for (const std::string& note : one.texts("notes")) out += "  " + note + "\n";
  out += render_rows("lost, the champion has them right:", one.list("lost"), style);
  return out + render_rows("gained:", one.list("gained"), style);
}

std::string render_gate(const Doc& gate, const Style& style) {
  const std::string name = gate.text("model") + "@" + gate.text("version");
  std::string word = gate.flag("passed") ? "move" : "hold";
  if (gate.has("action")) word = gate.text("action");
  std::string out = transcript_line(
      style, "gate", name, gate.has("champion") ? "against version " + gate.text("champion") : "");
  out += transcript_line(style, word, gate.text("verdict"));
  if (gate.part("approved").json().is_object()) {
    const Doc approved = gate.part("approved");
    const std::string reason = approved.text("reason");
    out += transcript_line(
        style, "",
        "approved by " + approved.text("who") + (reason.empty() ? "" : ", \"" + reason + "\""));
  } else if (word == "ask") {
    out += transcript_line(style, "", "`lockstep approve " + name + "` lets it be champion");
  }
  if (gate.has("note")) out += transcript_line(style, "", gate.text("note"));
  const Doc report = gate.part("report");
  if (report.has("void")) out += transcript_line(style, "", "void: " + report.text("void"));
  for (const Doc& one : report.list("comparisons")) out += render_comparison(one, style);
  const Doc expected = report.part("expectations");
  if (!expected.json().is_object()) return out;
  out += "\nexpectations: " + expected.text("checked") + " looked at, " +
         std::to_string(expected.list("broken").size()) + " broken\n";
  for (const Doc& one : expected.list("broken")) out += "  " + one.text("why") + "\n";
  return out;
}

void add_gate(Commands& commands) {
  struct Options {
    std::string model;
    bool markdown = false;
  };
  auto* gate = commands.add("gate", "Models", "What a version's gate found",
                            "lockstep gate intent-client-3@4\n"
                            "lockstep gate intent-client-3 --markdown > report.md");
  auto options = std::make_shared<Options>();
  gate->add_option("MODEL[@V]", options->model,
                   "The version; without V the newest that a gate looked at")
      ->required();
  gate->add_flag("--markdown", options->markdown, "The report alone, as Markdown");
  commands.on(gate, [options](Context& context) -> int {
    ModelName wanted = read_model_name(options->model);
    std::map<std::string, std::string> query;
    if (wanted.version) query["version"] = std::to_string(*wanted.version);
    Json answer = context.get({"v1", "models", wanted.name, "gate"}, query);
    if (!options->markdown) {
      return context.show(answer,
                          [&](const Doc& doc) { return render_gate(doc, context.style()); });
    }
    if (!answer.value("markdown", Json()).is_string()) {
      throw Error(ErrorCode::kNotFound,
                  "there is no report of " + options->model + " beyond bounds",
                  "`lockstep gate " + options->model + "` says what its gate said");
    }
    context.out() << answer.at("markdown").get<std::string>();
    return kExitDone;
  });
}

void add_approve(Commands& commands) {
  struct Options {
    std::string model;
    Moving moving;
  };
  auto* approve =
      commands.add("approve", "Models", "Let a version be champion whose gate asks",
                   "lockstep approve intent-client-3@4 --reason \"the lost rows are duplicates\"");
  auto options = std::make_shared<Options>();
  approve->add_option("MODEL[@V]", options->model, "The version; without V the newest that waits")
      ->required();
  options->moving.add_to(approve);
  commands.on(approve, [options](Context& context) {
    ModelName wanted = read_model_name(options->model);
    Json body = Json::object();
    if (wanted.version) body["version"] = *wanted.version;
    return options->moving.post(context, {"v1", "models", wanted.name, "approve"}, body,
                                render_approval);
  });
}

}  // namespace

void add_gate_commands(Commands& commands) {
  add_gate(commands);
  add_approve(commands);
}

}  // namespace lockstep
