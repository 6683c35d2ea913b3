// What an attempt needs and what its result will mean, as one durable document: written when the
// attempt is decided, read by whoever starts it and by whoever takes its result, even after the
// plan that wanted it is gone. Knows nothing of slots or sources' contents.
#pragma once

#include "pipeline/core/plan.h"
#include "pipeline/engine/engine.h"
#include "registry/rules/rules.h"

namespace lockstep {

// {"version": …, "gate": […], "spec": {…}} of a step whose inputs are known. `input_files` gives
// for each input of kind output or model the file name it is shown under and whether it is a
// folder.
struct InputFile {
  std::string file;
  bool folder = false;
};
Json attempt_context(const Plan& plan, StepId id, const std::string& trigger,
                     const std::vector<InputFile>& input_files);

// How the rows of an input of kind rows are read at a commit, given to the attempt as `name`.
Json rows_input(const Survey& survey, const StepInput& input, const std::string& name,
                const std::string& commit);

// The attempt runs there, and takes so much of it.
void put_on(AttemptRecord& record, const Slot& place, const Resources& need);

// The version a result of this step makes; number, digest, metrics and environment still unset.
Version planned_version(const Survey& survey, StepId id, const PlannedStep& planned,
                        const std::string& trigger);

// The version with the result's bytes and numbers filled in. Throws invalid when the result has no
// output called model.
Candidate candidate_of(Version version, const StepTemplate& step, const ResultRecord& result);

// Back from a context.
Candidate candidate_from(const Json& context, const ResultRecord& result);

// The attempt is asked for by a preview alone: its version has the mark, and moves nothing.
void mark_preview(Json& context, const Run& run);
// Version::inputs of what such a run makes.
std::string inputs_of(const Run& run);

// What an evaluation of a model on some rows needs, and the fingerprint of what it gives: the
// evaluator, the model with what it was trained on, and the rows.
struct EvaluationOf {
  Digest model;
  bool folder = false;
  std::map<std::string, Digest> upstreams;  // of model inputs, by name; the others are the plan's
  StepInput rows;                           // Step::holdout_rows or Step::expect_rows
  Json with;                                // Step::evaluate_with or Step::expect_with
  std::string name;                         // of the attempt: "train[client=3]/evaluate"
};
struct Evaluation {
  Digest fingerprint;
  Json context;
};
Evaluation evaluation_of(const Survey& survey, StepId id, const PlannedStep& planned,
                         const EvaluationOf& what, const std::vector<InputFile>& input_files);

Json gate_json(const std::vector<Bound>& gate);
std::vector<Bound> gate_from(const Json& json);

}  // namespace lockstep
