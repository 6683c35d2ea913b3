// lockstep-torch: trains and asks small text models. Knows nothing of plans, gates or releases.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "workflows/torch/attempt.h"
#include "workflows/torch/model_file.h"
#include "workflows/torch/pinned.h"
#include "workflows/torch/predict.h"
#include "workflows/torch/rows.h"
#include "workflows/torch/serve.h"
#include "workflows/torch/settings.h"

namespace lockstep {
namespace {

struct Options {
  std::string action;
  std::string model;
  std::string trunk;
  std::vector<std::string> texts;
  std::string table;
  std::string column = "text";
  bool from_stdin = false;
  bool json = false;
};

std::vector<std::string> wanted_texts(const Options& options) {
  std::vector<std::string> texts = options.texts;
  if (!options.table.empty()) {
    for (std::string& text : read_column(real_files().read(options.table, kMaxModelBytes),
                                         options.table, options.column)) {
      texts.push_back(std::move(text));
    }
  }
  for (const std::string& text : texts) {
    if (!valid_utf8(text)) throw Error(ErrorCode::kInvalid, "the text is not valid UTF-8");
  }
  return texts;
}

void print(const Json& answer) {
  std::cout << answer["label"].get<std::string>() << '\t' << answer["score"].get<float>() << '\t'
            << answer["text"].dump() << '\n';
}

// JSON lines, each a text or {"text": …}; each is answered before the next is read.
void answer_lines(const TextModel& model, std::istream& lines) {
  for (std::string line; std::getline(lines, line);) {
    Json asked = parse_json(line, "a line of the standard input");
    if (asked.is_object() && asked.contains("text")) asked = Json(asked["text"]);
    if (!asked.is_string()) {
      throw Error(ErrorCode::kInvalid, "a line of the standard input is no text",
                  "one JSON text per line, or {\"text\": …}");
    }
    std::cout << canonical_json(predict(model, asked.get<std::string>())) << std::endl;
  }
}

int run_predict(const Options& options) {
  TextModel model = load_model(options.model, options.trunk);
  if (options.from_stdin) {
    answer_lines(model, std::cin);
    return 0;
  }
  Json answers = Json::array();
  for (const std::string& text : wanted_texts(options)) answers.push_back(predict(model, text));
  if (options.json) {
    std::cout << canonical_json(answers) << '\n';
  } else {
    for (const Json& answer : answers) print(answer);
  }
  return 0;
}

int run_actions(const Options& options) {
  if (options.json) {
    std::cout << canonical_json(describe_actions()) << '\n';
    return 0;
  }
  for (const ActionSpec& action : built_in_actions()) {
    std::cout << action.name << "  " << action.help << '\n';
    for (const SettingSpec& spec : action.settings) {
      std::cout << "  " << spec.name << " (" << spec.standard.dump() << ")  " << spec.help << '\n';
    }
  }
  return 0;
}

int dispatch(int count, char** arguments) {
  CLI::App app("Trains and asks small text models.", "lockstep-torch");
  app.require_subcommand(1);
  Options options;

  CLI::App* run = app.add_subcommand("run", "one attempt at an action, told by LOCKSTEP_*");
  run->add_option("action", options.action,
                  "torch/text-trunk, torch/text-adapter or torch/evaluate")
      ->required();

  CLI::App* ask = app.add_subcommand("predict", "answers for texts");
  ask->add_option("--model", options.model, "an adapter's or a trunk's file")->required();
  ask->add_option("--trunk", options.trunk, "the trunk that an adapter stands on");
  ask->add_option("--text", options.texts, "a text; may be repeated");
  ask->add_option("--table", options.table, "a CSV file with a header");
  ask->add_option("--column", options.column, "its column with the texts")->capture_default_str();
  ask->add_flag("--stdin", options.from_stdin, "JSON lines, answered one by one");
  ask->add_flag("--json", options.json, "print one JSON document");

  CLI::App* actions = app.add_subcommand("actions", "the built-in actions and what they take");
  actions->add_flag("--json", options.json, "print one JSON document");
  CLI::App* worker = app.add_subcommand("serve", "attempts as JSON lines, libtorch loaded once");

  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (ask->parsed()) return run_predict(options);
  if (actions->parsed()) return run_actions(options);
  ensure_pinned(arguments);
  if (worker->parsed()) return serve(std::cin, STDOUT_FILENO);
  run_attempt(options.action, process_variables(), load_trainer, std::cerr);
  return 0;
}

}  // namespace
}  // namespace lockstep

int main(int count, char** arguments) {
  try {
    return lockstep::dispatch(count, arguments);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << std::endl;
    return 1;
  }
}
