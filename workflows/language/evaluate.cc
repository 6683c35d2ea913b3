// How a step's gate has rows answered: by which program, and which rows.
#include <fmt/core.h>

#include <algorithm>

#include "workflows/language/actions.h"
#include "workflows/language/readers.h"
#include "workflows/language/step.h"

namespace lockstep {
namespace {

const Action& evaluation() {
  return *std::find_if(actions().begin(), actions().end(),
                       [](const Action& action) { return action.evaluates; });
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

class EvaluateReader {
 public:
  EvaluateReader(const YamlNode& node, const Fields& step_fields, const StepScope& scope,
                 StepTemplate& step)
      : node_(node),
        fields_(node, step_fields.of("evaluate"), scope.diagnostics),
        scope_(scope),
        diagnostics_(scope.diagnostics),
        step_(step) {}

  void read() {
    if (!fields_.is_map()) return;
    read_program();
    read_with();
    const InputTemplate* rows = find_rows();
    fields_.finish();
    check_inputs();
    if (rows == nullptr) return;
    spec_.rows = rows->name;
    add_columns(*rows);
    if (step_.judged.expect) {
      step_.judged.expect->name = rows->name;
      step_.judged.expect->format = rows->format;
    }
    if (!spec_.uses.empty() && spec_.run.empty()) complete_action(*rows);
    step_.evaluate = std::move(spec_);
  }

 private:
  bool champion() const { return !step_.judged.champion.is_null(); }

  void read_program() {
    const YamlNode* uses = fields_.take("uses");
    const YamlNode* run = fields_.take("run");
    if (fields_.has("uses") == fields_.has("run")) {
      diagnostics_.error(node_.place(),
                         fields_.what() + (uses ? " has both uses and run" : " needs uses or run"),
                         "uses: torch/evaluate, or run: any command");
    }
    if (run) spec_.run = read_script(*run, fields_.of("run"), diagnostics_).value_or("");
    if (uses == nullptr) return;
    if (read_choice(*uses, fields_.of("uses"), {evaluation().name}, diagnostics_)) {
      spec_.uses = evaluation().name;
      spec_.revision = evaluation().revision;
    }
  }

  void read_with() {
    const YamlNode* with = fields_.take("with");
    if (with == nullptr) return;
    if (fields_.has("run")) {
      diagnostics_.error(with->place(), fields_.of("with") + " is for uses",
                         "a command gets its values through env");
      return;
    }
    check_with(evaluation(), *with, fields_.what(), diagnostics_);
    check_templates(*with, fields_.of("with"), scope_);
    for (const YamlEntry& entry : with->entries()) {
      if (entry.key == "text" || entry.key == "label") spec_.with[entry.key] = entry.value.text();
      std::string hint = entry.key == "key"        ? "it is that of the holdout"
                         : entry.key == "columns"  ? "they are the slices of the gate's champion"
                         : entry.key == "positive" ? "it is said by the gate's champion"
                                                   : "";
      if (hint.empty()) continue;
      diagnostics_.error(
          entry.key_place,
          fmt::format("\"{}\" cannot be given to evaluate of {}", entry.key, scope_.what), hint);
    }
  }

  // The input that is named, or the only one that has a holdout, or the only rows.
  const InputTemplate* find_rows() {
    std::vector<const InputTemplate*> rows, held;
    std::vector<std::string> names;
    for (const InputTemplate& input : step_.inputs) {
      if (input.kind != InputKind::kRows) continue;
      rows.push_back(&input);
      names.push_back(input.name);
      if (input.holdout) held.push_back(&input);
    }
    const InputTemplate* found = nullptr;
    if (const YamlNode* node = fields_.take("rows")) {
      auto name = read_text(*node, fields_.of("rows"), diagnostics_);
      if (!name) return nullptr;
      auto at = std::find(names.begin(), names.end(), *name);
      if (at == names.end()) {
        diagnostics_.error(
            node->place(),
            fmt::format("{} has no rows \"{}\" among its inputs", scope_.what, shown(*name)),
            did_you_mean(*name, names));
        return nullptr;
      }
      found = rows[static_cast<size_t>(at - names.begin())];
    } else if (fields_.has("rows")) {
      return nullptr;  // empty: reported
    } else if (held.size() == 1) {
      found = held[0];
    } else if (held.empty() && rows.size() == 1) {
      found = rows[0];
    } else {
      diagnostics_.error(node_.place(),
                         fmt::format("{} needs \"rows\": {}", fields_.what(),
                                     rows.empty() ? "the step reads no table"
                                                  : "which of the step's inputs are answered"));
      return nullptr;
    }
    if (!champion() || found->holdout) return found;
    diagnostics_.error(parse_place(found->place),
                       fmt::format("input \"{}\" of {} has no holdout, and champion compares on "
                                   "rows that were held out",
                                   found->name, scope_.what),
                       "holdout: {fraction: 0.2, key: [id]}");
    return nullptr;
  }

  // The program gets the model that it asks as LOCKSTEP_INPUT_MODEL, beside the step's own inputs.
  void check_inputs() {
    for (const InputTemplate& input : step_.inputs) {
      if (strcasecmp(input.name.c_str(), "model") == 0) {
        diagnostics_.error(parse_place(input.place),
                           fmt::format("input \"{}\" of {} and the model that its evaluate asks "
                                       "would share a variable LOCKSTEP_INPUT_MODEL",
                                       shown(input.name), scope_.what),
                           "give the input another name");
      }
      if (input.kind != InputKind::kOutput) continue;
      not_supported_yet(parse_place(input.place), "evaluate beside an output", diagnostics_,
                        "a model is read by its name: {model: NAME}");
    }
  }

  // What the answers need beside what the model learns from. Nothing where all columns are read.
  void add_columns(const InputTemplate& rows) {
    if (!champion() || rows.columns.empty()) return;
    auto add = [&](const std::string& column) {
      if (contains(rows.columns, column) || contains(spec_.columns, column)) return;
      spec_.columns.push_back(column);
    };
    for (const std::string& column : rows.holdout->key) add(column);
    for (const auto& column : step_.judged.champion.value("slices", Json::array())) add(column);
  }

  // The column of `key`: said here, by the step's own parameters, by what its action does without.
  Json column_of(const WithKey& key) const {
    if (spec_.with.contains(key.name)) return spec_.with[key.name];
    const Action* action = find_action(step_.uses);
    if (action == nullptr) return key.column;
    if (step_.with.contains(key.name)) return step_.with[key.name];
    for (const WithKey& own : action->with) {
      if (own.name == key.name) return own.column;
    }
    return key.column;
  }

  void complete_action(const InputTemplate& rows) {
    const Json& asked = step_.judged.champion;
    for (const WithKey& key : evaluation().with) {
      if (!key.column.empty()) spec_.with[key.name] = column_of(key);
    }
    if (rows.holdout) spec_.with["key"] = rows.holdout->key;
    if (champion()) spec_.with["columns"] = asked.value("slices", Json::array());
    if (champion() && asked.contains("positive")) spec_.with["positive"] = asked["positive"];
    const std::string metric = champion() ? asked.value("metric", "accuracy") : "";
    if (metric == "mae" || metric == "rmse" || metric == "r2") {
      diagnostics_.error(
          node_.place(),
          fmt::format("{} answers with labels, and {} is of numbers", spec_.uses, metric),
          "evaluate: {run: …} with a program that answers with numbers");
    }
    if (rows.format != "csv") {
      diagnostics_.error(parse_place(rows.place),
                         fmt::format("{} reads csv, not {}", spec_.uses, rows.format));
    }
    std::vector<std::string> columns = rows.columns;
    columns.insert(columns.end(), spec_.columns.begin(), spec_.columns.end());
    if (champion()) need_columns(columns, spec_.with, rows.place);
    if (step_.judged.expect) {
      Json with = spec_.with;
      if (!step_.judged.expect_label.empty()) with["label"] = step_.judged.expect_label;
      need_columns(step_.judged.expect->columns, with, step_.judged.expect->place);
    }
  }

  void need_columns(const std::vector<std::string>& columns, const Json& with,
                    const std::string& place) {
    if (columns.empty()) return;
    for (const char* key : {"text", "label"}) {
      if (!with[key].is_string()) continue;
      const std::string name = with[key];
      if (name.find("${{") != std::string::npos || contains(columns, name)) continue;
      diagnostics_.error(parse_place(place),
                         fmt::format("evaluate of {} reads the column \"{}\", which is not among "
                                     "its columns",
                                     scope_.what, shown(name)),
                         "add it, or name another");
    }
  }

  const YamlNode& node_;
  Fields fields_;
  const StepScope& scope_;
  Diagnostics& diagnostics_;
  StepTemplate& step_;
  EvaluateSpec spec_;
};

}  // namespace

void read_evaluate(Fields& step_fields, const StepScope& scope, StepTemplate& step) {
  const YamlNode* node = step_fields.take("evaluate");
  bool asked = !step.judged.champion.is_null() || step.judged.expect.has_value();
  Place place = parse_place(step.place);
  if (!step_fields.has("evaluate")) {
    if (!asked) return;
    scope.diagnostics.error(
        place, scope.what + " has champion or expect in its gate, but no evaluate",
        "evaluate: {uses: torch/evaluate}, or {run: …}, says how its model answers rows");
  } else if (!asked) {
    scope.diagnostics.error(place, scope.what + " has evaluate, but no gate that needs it",
                            "gate: {champion: {}}, or {expect: {table: …}}");
  }
  if (node == nullptr) return;
  EvaluateReader(*node, step_fields, scope, step).read();
  if (!step.judged.expect_label.empty() && step.evaluate && step.evaluate->uses.empty()) {
    scope.diagnostics.error(parse_place(step.judged.expect->place),
                            fmt::format("\"label\" of \"expect\" of {} has no effect", scope.what),
                            "the command of evaluate knows its columns itself");
  }
}

}  // namespace lockstep
