// Commands for what is beside the watched branches: previews, other inputs, taking a version.
#include <memory>

#include "pipeline/base/files.h"
#include "pipeline/cli/commands.h"
#include "pipeline/cli/follow.h"
#include "pipeline/cli/render.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxInputFile_bytes = 1 << 20;

void add_previews(Commands& commands) {
  auto* previews = commands.add("previews", "Work",
                                "What branches, tags and other inputs would make, beside the "
                                "champions",
                                "lockstep previews\nlockstep previews feature/relabel");
  auto wanted = std::make_shared<std::string>();
  previews->add_option("BRANCH|TAG|WORKFLOW", *wanted, "Only this one");
  commands.on(previews, [wanted](Context& context) {
    Json all = Json::array();
    for (const Json& one : context.get({"v1", "previews"})) {
      bool is = wanted->empty();
      for (const char* what : {"branch", "tag", "workflow"}) is |= one.value(what, "") == *wanted;
      if (is) all.push_back(one);
    }
    return context.show(all, [&](const Doc& doc) { return render_previews(doc, context.style()); });
  });
}

struct TriggerOptions {
  std::string workflow, file;
  std::vector<std::string> inputs;
};

Json inputs_of(const TriggerOptions& options) {
  Json inputs = Json::object();
  if (!options.file.empty()) {
    inputs = parse_json(real_files().read(options.file, kMaxInputFile_bytes), options.file);
    if (!inputs.is_object()) {
      throw Error(ErrorCode::kInvalid, options.file + " is not an object of names and values");
    }
  }
  for (const std::string& input : options.inputs) {
    size_t equals = input.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw Error(ErrorCode::kInvalid, "`--input " + input + "` is not KEY=VALUE");
    }
    inputs[input.substr(0, equals)] = input.substr(equals + 1);
  }
  return inputs;
}

void add_trigger(Commands& commands) {
  auto* trigger = commands.add("trigger", "Work", "Start a workflow by hand and wait for its end",
                               "lockstep trigger nightly --input day=2026-03-03\n"
                               "lockstep trigger nightly --input-file values.json");
  auto options = std::make_shared<TriggerOptions>();
  trigger->add_option("WORKFLOW", options->workflow, "Its name")->required();
  trigger
      ->add_option("--input", options->inputs,
                   "A value for it, may be repeated; others than the defaults make an experiment")
      ->type_name("KEY=VALUE")
      ->take_all()
      ->allow_extra_args(false);
  trigger->add_option("--input-file", options->file, "Values as a JSON object; --input goes before")
      ->type_name("FILE");
  commands.on(trigger, [options](Context& context) {
    return follow_run(context, context.post({"v1", "workflows", options->workflow, "trigger"},
                                            {{"inputs", inputs_of(*options)}}));
  });
}

void add_promote(Commands& commands) {
  struct Options {
    std::string model, channel;
    bool override_pins = false;
    Moving moving;
  };
  auto* promote = commands.add(
      "promote", "Models",
      "Make a version of an experiment the champion and pin it, or give one to a channel",
      "lockstep promote intent-client-3@4 --reason \"ten epochs are enough\"\n"
      "lockstep promote intent-client-3 --channel production --reason \"a week in staging\"");
  auto options = std::make_shared<Options>();
  promote
      ->add_option("MODEL[@V]", options->model,
                   "The version; with --channel the champion if left out")
      ->required();
  promote->add_option("--channel", options->channel, "Move this channel's alias alone");
  promote->add_flag("--override-pins", options->override_pins, "Even where it is pinned");
  options->moving.add_to(promote, true);
  commands.on(promote, [options](Context& context) {
    ModelName wanted = read_model_name(options->model);
    if (!wanted.version && options->channel.empty()) {
      throw Error(ErrorCode::kInvalid, "`promote " + options->model + "` names no version",
                  "MODEL@V, as `lockstep previews` shows it");
    }
    Json body = {{"channel", options->channel}, {"override_pins", options->override_pins}};
    if (wanted.version) body["version"] = *wanted.version;
    return options->moving.post(context, {"v1", "models", wanted.name, "promote"}, body,
                                render_promotion);
  });
}

}  // namespace

void add_experiment_commands(Commands& commands) {
  add_previews(commands);
  add_trigger(commands);
  add_promote(commands);
}

}  // namespace lockstep
