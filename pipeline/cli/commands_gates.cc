// gate, approve.
#include "pipeline/base/error.h"
#include "pipeline/cli/commands.h"
#include "pipeline/cli/context.h"
#include "pipeline/cli/render.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

std::string render_gate(const Doc& gate, const Style& style) {
  std::string word = gate.flag("passed") ? "move" : "hold";
  if (gate.has("action")) word = gate.text("action");
  std::string out =
      transcript_line(style, "gate", gate.text("model") + "@" + gate.text("version"), word);
  out += transcript_line(style, "", gate.text("verdict"));
  if (gate.part("approved").json().is_object()) {
    const Doc approved = gate.part("approved");
    const std::string reason = approved.text("reason");
    out += transcript_line(
        style, "",
        "approved by " + approved.text("who") + (reason.empty() ? "" : ", \"" + reason + "\""));
  } else if (word == "ask") {
    out += transcript_line(style, "",
                           "`lockstep approve " + gate.text("model") + "@" + gate.text("version") +
                               "` lets it be champion");
  }
  if (gate.has("note")) out += transcript_line(style, "", gate.text("note"));
  const std::string report = gate.text("markdown");
  return report.empty() ? out : out + "\n" + report;
}

void add_gate(Commands& commands) {
  struct Options {
    std::string model;
    bool markdown = false;
  };
  auto* gate = commands.add("gate", "Models", "What a version's gate found, row by row",
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
