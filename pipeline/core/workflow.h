// A workflow as its file says it: step templates whose texts may refer to matrix values.
// Plain values. Knows nothing of YAML, and nothing of which instances the data asks for.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/base/json.h"

namespace lockstep {

// Text with `${{ … }}` references: "intent-${{ matrix.client }}" has a literal part and a
// reference part "matrix.client". References: matrix.NAME, env.NAME, inputs.NAME, commit.SOURCE.
struct TemplateText {
  struct Part {
    bool reference = false;
    std::string text;
    bool operator==(const Part&) const = default;
  };
  std::vector<Part> parts;
  bool operator==(const TemplateText&) const = default;
};

struct Holdout {
  double fraction = 0;  // 0 < fraction < 1
  std::vector<std::string> key;
  std::string salt = "v1";
  bool operator==(const Holdout&) const = default;
};

enum class InputKind { kRows, kCode, kOutput, kModel, kPrevious };

struct InputTemplate {
  std::string name;
  InputKind kind = InputKind::kRows;
  std::string place;  // file:line:column, for messages

  // kRows and kCode: the source's name in the workspace (resolved, never empty after check).
  std::string source;
  std::string at;  // tag, branch or commit the input is frozen at; empty: follows the branch

  // kRows
  std::string table;
  std::vector<std::string> columns;  // declared order; empty: all, sorted by name
  std::map<std::string, TemplateText> where;
  std::optional<Holdout> holdout;
  std::string format = "csv";  // or "jsonl", "arrow"

  // kCode
  std::vector<std::string> paths;  // globs

  // kOutput
  std::string step;
  std::string output;

  // kModel
  TemplateText model;

  // kPrevious: the input of this step whose earlier rows it gives; a kRows that follows its branch
  std::string previous;
  bool operator==(const InputTemplate&) const = default;
};

// One dimension of a step's matrix: a list, or the values of a table's column.
struct MatrixAxis {
  std::string name;
  std::vector<std::string> values;     // when a list
  std::string source, table, column;   // when `table` is not empty
  std::optional<std::string> null_as;  // what NULL and empty values are called, if mapped
  std::string place;
  bool operator==(const MatrixAxis&) const = default;
};

struct Bound {  // of a metric, by the gate
  std::string metric;
  std::optional<double> min;
  std::optional<double> max;
  bool operator==(const Bound&) const = default;
};

// `evaluate:` how a model's answers to rows it was not trained on are had. The program finds the
// model under LOCKSTEP_INPUT_MODEL, what that was trained on (trunks, code) as the step's own
// inputs have it, and the rows under LOCKSTEP_INPUT_<NAME>_HOLDOUT; it writes predictions.csv
// (docs/GATES.md).
struct EvaluateSpec {
  std::string uses;  // action, or empty
  int revision = 0;
  std::string run;  // shell text, or empty
  Json with = Json::object();
  std::string rows;  // name of the step's input whose held out rows are answered
  // That the evaluation is given beside those of the input: the holdout's key, slices' columns.
  std::vector<std::string> columns;
  bool operator==(const EvaluateSpec&) const = default;
};

// What a gate asks beyond bounds. The language has checked it; registry/gates reads `champion`.
struct GateSpec {
  // {"metric","alpha","min-rows","slices":[column…],"positive","labels":[…],"max-loss",
  //  "max-relative-loss","slice-max-loss","slice-max-relative-loss","rounds","seed",
  //  "policy":{"better"|"equal"|"worse-within-noise"|"worse"|"not-judged":"move"|"ask"|"hold"}},
  // only what was said; null: the champion is not looked at.
  Json champion;
  std::optional<InputTemplate> expect;  // rows that must come out so; kRows, its name is the rows'
  std::string expect_label;       // their column with the label; empty: the evaluation's `label`
  bool approve_by_other = false;  // nobody approves what their own rows made
  bool operator==(const GateSpec&) const = default;
};

struct Resources {
  std::string pool;           // empty: any
  uint64_t memory_bytes = 0;  // 0: not declared
  uint64_t gpu_memory_bytes = 0;
  uint32_t cpus = 1;
  bool operator==(const Resources&) const = default;
};

struct EnvironmentSpec {
  std::vector<std::string> files;  // lock files in the code repo, by blob id
  std::map<std::string, std::vector<std::string>> probes;  // name → argv; output enters the recipe
  bool exact = false;  // the measured environment enters the fingerprint
  bool operator==(const EnvironmentSpec&) const = default;
};

// `if:` of a step: which changes since its last accepted result count. What is left empty restricts
// nothing of its kind.
struct Conditions {
  std::vector<std::pair<std::string, std::string>> paths;   // source and glob of code that counts
  std::vector<std::pair<std::string, std::string>> tables;  // source and name of tables that count
  std::vector<std::string> slices;                          // row inputs that count
  uint64_t min_changed_rows = 1;  // so many rows, over all row inputs that count
  bool operator==(const Conditions&) const = default;
};

// `concurrency:`: attempts of one group go one at a time, in the whole workspace.
struct ConcurrencySpec {
  TemplateText group;  // may refer to matrix values
  // What no newer plan wants is cancelled (or finished); left out: as the workspace's policy says.
  std::optional<bool> cancel_in_progress;
  bool operator==(const ConcurrencySpec&) const = default;
};

struct StepTemplate {
  std::string name;
  std::string place;
  std::vector<std::string> needs;
  std::vector<MatrixAxis> matrix;
  uint32_t max_parallel = 0;  // 0: as many as there are slots
  std::vector<InputTemplate> inputs;
  std::string uses;                         // action name, or empty
  int revision = 0;                         // of the action
  std::string run;                          // shell text, or empty
  Json with = Json::object();               // texts inside may hold ${{ }}; resolved at expansion
  std::map<std::string, TemplateText> env;  // workflow's and step's, merged
  std::vector<std::string> secrets;
  std::map<std::string, std::string> outputs;  // name → file below LOCKSTEP_OUTPUT
  std::optional<TemplateText> registers;
  std::optional<TemplateText> renamed_from;
  std::vector<Bound> gate;
  GateSpec judged;  // beside the bounds
  std::optional<EvaluateSpec> evaluate;
  Resources resources;
  EnvironmentSpec environment;
  int64_t timeout_ms = 6 * 60 * 60 * 1000;  // as in GitHub Actions unless said otherwise
  int attempts = 1;
  std::optional<Conditions> condition;
  std::vector<ConcurrencySpec> concurrency;  // its own and the workflow's
  bool operator==(const StepTemplate&) const = default;
};

// When a channel is cut by itself.
enum class CutPolicy {
  kPassedOnly,  // whatever passed goes out; what did not stays where it is
  kAll,         // only when every model it names has passed
  kQuorum,      // only when enough of them have
};

struct ChannelSpec {
  std::string name;
  std::vector<std::string> models;  // patterns with '*'
  std::string image;                // image name
  std::string base;                 // HOST[:PORT]/REPOSITORY[:TAG|@DIGEST] it stands on, or empty
  std::vector<std::string> code;    // globs: serving code that goes into it
  std::string source;               // the code repository these are of
  int64_t max_wait_ms = 600'000;
  bool promote_by_hand = false;  // no cut and no promotion but by command
  CutPolicy policy = CutPolicy::kPassedOnly;
  uint32_t quorum = 0;  // models, or percent of those it names
  bool quorum_percent = false;
  bool single_upstream = false;  // no cut while its models are of two versions of one upstream
  std::string place;
  bool operator==(const ChannelSpec&) const = default;
};

// A tick by cron(5) in a time zone.
struct ScheduleSpec {
  std::string cron, timezone;
  bool operator==(const ScheduleSpec&) const = default;
};

// `on: {workflow: …}`: the end of a run in which steps of one of these workflows were executed.
struct AfterSpec {
  std::vector<std::string> names;
  bool any = false;  // however it ended; else only where all of that workflow's steps are done
  bool operator==(const AfterSpec&) const = default;
};

enum class ValueType { kString, kNumber, kInteger, kBoolean, kChoice };

// What a start by hand may give a workflow (docs/WORKFLOWS.md).
struct WorkflowInput {
  std::string name;
  ValueType type = ValueType::kString;
  bool required = false;
  Json standard;                     // its default; null: there is none, and it is required
  std::vector<std::string> options;  // of a choice
  std::string description;
  std::string place;  // file:line:column, for messages
  bool operator==(const WorkflowInput&) const = default;
};

struct Workflow {
  std::string name;
  std::string source;                   // the code repo it was read from
  std::string file;                     // path in that repo
  bool on_data = true, on_code = true;  // which changes start it by themselves
  // A commit of its data or code is planned when none came after it for so long; 0: at once.
  int64_t quiet_data_ms = 0, quiet_code_ms = 0;
  std::vector<ScheduleSpec> schedules;
  AfterSpec after;
  std::string place;            // of `after`, for messages
  std::vector<std::string> ci;  // checks that must be green before a code commit starts it
  // Further branches of its data whose commits make previews; patterns with '*'.
  std::vector<std::string> branches;
  std::vector<std::string> tags;  // of its code, that make experiments; patterns with '*'
  std::vector<WorkflowInput> inputs;
  Json values = Json::object();  // of inputs, where they are not the defaults
  std::vector<StepTemplate> steps;
  std::vector<ChannelSpec> channels;
  bool operator==(const Workflow&) const = default;
};

// Equal in everything that they say; of JSON values the types, too: 1 is not 1.0.
bool identical(const std::vector<Workflow>& a, const std::vector<Workflow>& b);

// The parts of `text` with every reference replaced through `value` (throws what `value` throws).
template <class F>
std::string resolve_text(const TemplateText& text, F&& value) {
  std::string out;
  for (const TemplateText::Part& part : text.parts) {
    out += part.reference ? value(part.text) : part.text;
  }
  return out;
}

// Splits "a ${{ matrix.b }} c"; throws invalid for an unclosed or malformed reference.
TemplateText parse_template(const std::string& text);

}  // namespace lockstep
