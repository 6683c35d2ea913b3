// Commands about models.
#include <memory>

#include "pipeline/cli/commands.h"
#include "pipeline/cli/follow.h"
#include "pipeline/cli/render.h"

namespace lockstep {
namespace {

constexpr const char* kGroup = "Models";

void put_version(Json& body, const char* name, std::optional<int64_t> version) {
  if (version) body[name] = *version;
}

void add_models(Commands& commands) {
  auto* models = commands.add("models", kGroup, "Every model with its champion", "lockstep models");
  commands.on(models, [](Context& context) {
    return context.show(context.get({"v1", "models"}),
                        [&](const Doc& doc) { return render_models(doc, context.style()); });
  });
}

void add_model(Commands& commands) {
  struct Options {
    std::string name;
    bool all = false;
  };
  auto* model = commands.add("model", kGroup, "One model: `model show`",
                             "lockstep model show intent-client-3@2");
  model->require_subcommand(1);
  auto* show = commands.add("show", "", "All that is recorded of a version",
                            "lockstep model show intent-client-3\n"
                            "lockstep model show intent-client-3@2",
                            model);
  auto options = std::make_shared<Options>();
  show->add_option("NAME[@V]", options->name, "The model; without V its champion")->required();
  show->add_flag("--all", options->all, "Do not cut long lists");
  commands.on(show, [options](Context& context) {
    ModelName wanted = read_model_name(options->name);
    std::map<std::string, std::string> query;
    if (wanted.version) query["version"] = std::to_string(*wanted.version);
    return context.show(context.get({"v1", "models", wanted.name}, query), [&](const Doc& doc) {
      return render_model(doc, context.style(), options->all);
    });
  });
}

void add_why(Commands& commands) {
  auto* why = commands.add("why", kGroup, "Which rows, code and inputs made it what it is",
                           "lockstep why intent-client-3\nlockstep why 'train[client=client-3]'");
  auto name = std::make_shared<std::string>();
  why->add_option("MODEL[@V]|STEP", *name, "A model (without V its champion) or a step")
      ->required();
  commands.on(why, [name](Context& context) {
    return context.show(context.get({"v1", "why", *name}),
                        [&](const Doc& doc) { return render_why(doc, context.style()); });
  });
}

struct PredictOptions {
  std::string model, channel, table, column;
  std::vector<std::string> texts, where;
  int64_t limit = 100;
};

Json predict_body(const PredictOptions& options) {
  if (options.texts.empty() == options.table.empty()) {
    throw Error(ErrorCode::kInvalid, "predict needs either --text or --table",
                "lockstep predict MODEL --text \"turn it off\"");
  }
  if (options.table.empty()) return {{"texts", options.texts}};
  Json where = Json::object();
  for (const std::string& one : options.where) {
    size_t equals = one.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw Error(ErrorCode::kInvalid, "`--where " + one + "` is not COLUMN=VALUE");
    }
    where[one.substr(0, equals)] = one.substr(equals + 1);
  }
  return {{"table", options.table},
          {"column", options.column},
          {"where", where},
          {"limit", options.limit}};
}

void add_predict(Commands& commands) {
  auto* predict = commands.add("predict", kGroup, "Ask a model",
                               "lockstep predict intent-client-3 --text \"turn it off\"\n"
                               "lockstep predict intent-client-3@1 --table utterances "
                               "--column text --where client=client-3 --limit 10");
  auto options = std::make_shared<PredictOptions>();
  predict->add_option("MODEL[@V]", options->model, "The model; without V what is live")->required();
  predict->add_option("--channel", options->channel,
                      "The version of this channel, not of the default one; or `champion`");
  predict->add_option("--text", options->texts, "A text to ask about, may be repeated")
      ->take_all()
      ->allow_extra_args(false);
  predict->add_option("--table", options->table, "Ask about the rows of a table instead");
  predict->add_option("--column", options->column, "Its column with the texts");
  predict->add_option("--where", options->where, "Only such rows, may be repeated")
      ->type_name("COLUMN=VALUE")
      ->take_all()
      ->allow_extra_args(false);
  predict->add_option("--limit", options->limit, "How many rows (100)")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000'000));
  commands.on(predict, [options](Context& context) {
    ModelName wanted = read_model_name(options->model);
    Json body = predict_body(*options);
    put_version(body, "version", wanted.version);
    if (!options->channel.empty()) body["channel"] = options->channel;
    return context.show(context.post({"v1", "models", wanted.name, "predict"}, body),
                        [&](const Doc& doc) { return render_predict(doc, context.style()); });
  });
}

struct RollbackOptions {
  std::string model, channel;
  int64_t to = 0;
  bool override_pins = false, with_dependents = false, accept = false;
  Moving moving;
};

// Where models that went along must be trained, their run is followed to its end.
int rollback(Context& context, const RollbackOptions& options) {
  Json body = options.moving.body();
  body.update({{"channel", options.channel},
               {"override_pins", options.override_pins},
               {"with_dependents", options.with_dependents},
               {"accept_expectations", options.accept}});
  if (options.to) body["to"] = options.to;
  Json answer = context.post({"v1", "models", options.model, "rollback"}, body);
  bool started = Doc(answer).has("run");
  if (!context.json) {
    context.out() << render_rollback(answer, context.style(), options.moving.dry_run);
  }
  if (started) answer["followed"] = await_run(context, Doc(answer).text("run"));
  if (context.json) context.print_json(answer);
  return started ? run_exit_code(answer["followed"]) : kExitDone;
}

void add_rollback(Commands& commands) {
  auto* command = commands.add("rollback", kGroup,
                               "Move a model back to its newest earlier good version and pin it",
                               "lockstep rollback intent-client-3 --reason \"wrong labels\"\n"
                               "lockstep rollback intent-client-3 --to 1 --reason x --dry-run");
  auto options = std::make_shared<RollbackOptions>();
  command->add_option("MODEL", options->model, "The model")->required();
  command->add_option("--to", options->to, "To this version")
      ->type_name("V")
      ->check(CLI::PositiveNumber);
  command->add_option("--channel", options->channel, "In this channel only");
  command->add_flag("--override-pins", options->override_pins, "Even where it is pinned");
  command->add_flag("--with-dependents", options->with_dependents,
                    "The models that were trained on it go back with it");
  command->add_flag("--accept-expectations", options->accept,
                    "Even where rows come out otherwise that must come out so");
  options->moving.add_to(command, true);
  commands.on(command, [options](Context& context) { return rollback(context, *options); });
}

void add_pin(Commands& commands) {
  struct Options {
    std::string model, channel;
    bool override_pins = false;
    Moving moving;
  };
  auto* pin = commands.add("pin", kGroup, "Hold a model where it is, or at a version",
                           "lockstep pin intent-client-3@1 --reason \"audit until Friday\"");
  auto options = std::make_shared<Options>();
  pin->add_option("MODEL[@V]", options->model, "The model; without V at what it has")->required();
  pin->add_option("--channel", options->channel, "In this channel only");
  pin->add_flag("--override-pins", options->override_pins, "Even where it is pinned already");
  options->moving.add_to(pin);
  commands.on(pin, [options](Context& context) {
    ModelName wanted = read_model_name(options->model);
    Json body = {{"channel", options->channel}, {"override_pins", options->override_pins}};
    put_version(body, "version", wanted.version);
    return options->moving.post(context, {"v1", "models", wanted.name, "pin"}, body, render_pins);
  });
}

struct UnpinOptions {
  std::string model, channel;
  bool all = false, now = false;
  Moving moving;
};

int unpin(Context& context, const UnpinOptions& options) {
  bool whole = options.all && !options.channel.empty() && options.model.empty();
  bool one = !options.all && !options.model.empty();
  if (!whole && !one) {
    throw Error(ErrorCode::kInvalid, "unpin takes a model, or --channel with --all",
                "lockstep unpin MODEL, or lockstep unpin --channel CHANNEL --all");
  }
  Json body = options.moving.body();
  body["now"] = options.now;
  if (one) body["channel"] = options.channel;
  std::vector<std::string> path = {"v1", "channels", options.channel, "unpin"};
  if (one) path = {"v1", "models", options.model, "unpin"};
  Json answer = context.post(path, body);
  bool started = Doc(answer).has("run");
  if (!context.json) context.out() << render_pins(answer, context.style(), options.moving.dry_run);
  if (started) answer["followed"] = await_run(context, Doc(answer).text("run"));
  if (context.json) context.print_json(answer);
  return started ? run_exit_code(answer["followed"]) : kExitDone;
}

void add_unpin(Commands& commands) {
  auto* command = commands.add("unpin", kGroup, "Let a model, or all of a channel, move again",
                               "lockstep unpin intent-client-3\n"
                               "lockstep unpin --channel production --all --now");
  auto options = std::make_shared<UnpinOptions>();
  command->add_option("MODEL", options->model, "The model");
  command->add_option("--channel", options->channel, "In this channel only");
  command->add_flag("--all", options->all, "Every model of the channel");
  command->add_flag("--now", options->now, "Move at once, not with the next plan");
  options->moving.add_to(command);
  commands.on(command, [options](Context& context) { return unpin(context, *options); });
}

void add_replay(Commands& commands) {
  auto* replay = commands.add("replay", kGroup, "Train a version again and compare the bytes",
                              "lockstep replay intent-client-3@2");
  auto model = std::make_shared<std::string>();
  replay->add_option("MODEL[@V]", *model, "The version; without V the champion")->required();
  commands.on(replay, [model](Context& context) {
    ModelName wanted = read_model_name(*model);
    Json body = Json::object();
    put_version(body, "version", wanted.version);
    Json document = context.post({"v1", "models", wanted.name, "replay"}, body);
    return context.show(
        document, [&](const Doc& doc) { return render_replay(doc, context.style()); },
        Doc(document).flag("identical") ? kExitDone : kExitFailed);
  });
}

}  // namespace

void add_model_commands(Commands& commands) {
  add_models(commands);
  add_model(commands);
  add_why(commands);
  add_predict(commands);
  add_rollback(commands);
  add_pin(commands);
  add_unpin(commands);
  add_replay(commands);
}

}  // namespace lockstep
