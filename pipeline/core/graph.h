// The steps that the data asks for: workflows expanded by the values of their matrices.
// Plain values in dense vectors. Knows nothing of digests, results or which steps are stale.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pipeline/base/error.h"
#include "pipeline/core/workflow.h"

namespace lockstep {

template <class Tag>
struct Id {
  uint32_t value = UINT32_MAX;
  auto operator<=>(const Id&) const = default;
  bool known() const { return value != UINT32_MAX; }
};
using StepId = Id<struct StepTag>;
using SliceId = Id<struct SliceTag>;
using CodeId = Id<struct CodeTag>;

// A table cut by columns and by the values of columns. Equal specs share one id.
struct SliceSpec {
  std::string source, table;
  std::string at;                        // empty: the plan's commit
  std::vector<std::string> columns;      // read, sorted, empty: all of the table
  std::vector<std::string> holdout_key;  // enters the digest
  // Column → canonical payload; empty: the rows whose value is NULL or empty.
  std::map<std::string, std::string> where;
  auto operator<=>(const SliceSpec&) const = default;
  // "utterances[client=client-3]"
  std::string name() const;
};

struct CodeSpec {
  std::string source;
  std::string at;
  std::vector<std::string> paths;
  auto operator<=>(const CodeSpec&) const = default;
};

struct StepInput {
  std::string name;
  InputKind kind = InputKind::kRows;
  SliceId slice;                     // kRows
  std::vector<std::string> columns;  // declared order; empty: all, sorted by name
  std::optional<Holdout> holdout;
  std::string format;
  CodeId code;         // kCode
  StepId step;         // kOutput
  std::string output;  // kOutput
  std::string model;   // kModel
  uint32_t rows = 0;   // kPrevious: which of the step's inputs
};

struct Step {
  std::string name;  // "train[client=client-3]"
  std::string workflow;
  uint32_t tmpl = 0;  // index into Graph::templates
  std::map<std::string, std::string> matrix;
  Json with = Json::object();
  std::map<std::string, std::string> env;
  std::vector<StepInput> inputs;
  // What its versions are judged on; they enter no fingerprint of the step. Set with `evaluate`.
  std::optional<StepInput> holdout_rows;  // of EvaluateSpec::rows, with EvaluateSpec::columns
  std::optional<StepInput> expect_rows;   // of GateSpec::expect
  Json evaluate_with = Json::object();    // EvaluateSpec::with, resolved
  Json expect_with = Json::object();      // the same for expect_rows: its label, all columns
  std::vector<CodeId> lock_files;         // declared environment; zero or one
  std::vector<StepId> needs;
  std::set<std::string> groups;  // of `concurrency`
  std::optional<bool> cancel_in_progress;
  bool on_data = true, on_code = true;  // which commits start it by themselves
  std::string missing_input;            // of its workflow, which has no value; or empty
  std::string registers;                // model name, or empty
  std::string renamed_from;             // former model name, or empty
};

struct Problem {
  std::string where;  // step or workflow
  std::string message;
};

struct Graph {
  std::vector<StepTemplate> templates;
  std::vector<Step> steps;
  std::vector<SliceSpec> slices;
  std::vector<CodeSpec> code;
  std::vector<ChannelSpec> channels;
  std::vector<StepId> order;                    // inputs before consumers
  std::vector<std::vector<StepId>> dependents;  // by step: those that read its output or model
  std::map<std::string, StepId> producer;       // model → the step that registers it
  std::map<std::string, StepId> by_name;
  std::map<std::string, std::vector<ScheduleSpec>> schedules;  // by workflow
  // Code source → checks that must be green before one of its commits is planned.
  std::map<std::string, std::set<std::string>> ci;
  std::map<std::string, AfterSpec> after;  // by workflow
  // Source → how long it must be quiet before its commits are planned; absent: not at all.
  std::map<std::string, int64_t> quiet_ms;
  // Workflow → branches of its data that make previews, as patterns; absent: none.
  std::map<std::string, std::vector<std::string>> branches;
  // By workflow: the code source it was read from; tags that make experiments, as patterns (absent:
  // none); inputs that a start by hand may give (absent: none).
  std::map<std::string, std::string> home;
  std::map<std::string, std::vector<std::string>> tags;
  std::map<std::string, std::vector<WorkflowInput>> inputs;
  // Sources whose commits stand in some step (`${{ commit.SOURCE }}`), or would if they were known.
  std::set<std::string> commits_read;
  // Steps that the data asks for are left out (a table could not be read, two values have one
  // name): nothing may be retired because of their absence.
  bool incomplete = false;
  std::vector<Problem> problems;

  const Step& step(StepId id) const { return steps[id.value]; }
  const StepTemplate& tmpl(StepId id) const { return templates[steps[id.value].tmpl]; }
};

// The values of a matrix axis that comes from a table: canonical payloads, sorted, without NULL
// and empty ones unless the axis maps them. Throws Error when the table can't be read.
struct AxisValues {
  std::vector<std::string> values;
  uint64_t unmapped = 0;  // rows whose value is NULL or empty and not mapped: reported
  bool operator==(const AxisValues&) const = default;
};
using AxisReader = std::function<AxisValues(const MatrixAxis&)>;

// Expands all workflows into one graph. Problems of single steps (two values with one name, two
// steps with one model, an unreadable table, an output nobody gives) leave those steps out and are
// told in Graph::problems. `commits` gives source → commit for `${{ commit.* }}`. Throws invalid on
// a cycle, unavailable when a source is away.
Graph expand(const std::vector<Workflow>& workflows, const AxisReader& axis,
             const std::map<std::string, std::string>& commits);

// The last graph, for as long as it would be expanded to the same again: the workflows, the values
// of every axis, and the commits that stand in steps are as they were.
class Graphs {
 public:
  // What expand() gives.
  std::shared_ptr<const Graph> expanded(const std::vector<Workflow>& workflows,
                                        const AxisReader& axis,
                                        const std::map<std::string, std::string>& commits);

 private:
  bool stands(const std::vector<Workflow>& workflows, const AxisReader& axis,
              const std::map<std::string, std::string>& commits) const;

  std::vector<Workflow> workflows_;
  std::vector<std::pair<MatrixAxis, AxisValues>> axes_;
  std::map<std::string, std::string> commits_;  // those that were read and are known
  std::shared_ptr<const Graph> graph_;          // null: every graph is another one
};

// Fills order, dependents, producer and by_name from the steps. Throws invalid on a cycle or on
// two producers, naming them.
void link(Graph& graph);

}  // namespace lockstep
