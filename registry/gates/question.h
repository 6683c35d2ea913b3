// What a gate asks of a candidate beyond bounds, and its whole answer from what evaluations wrote.
// Knows nothing of registries, artifacts or when it is asked.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/json.h"
#include "registry/gates/report.h"

namespace lockstep {

struct GateQuestion {
  ComparisonSettings settings;
  GatePolicy policy;
  std::vector<std::string> slices;  // columns
};
// The words of `gate: {champion: …}` (docs/WORKFLOWS.md); what is left out has its default. Throws
// invalid on a word, metric or number that is none.
GateQuestion gate_question(const Json& champion);

struct GateEvidence {
  std::string model;
  int64_t challenger = 0, champion = 0;  // versions; champion 0: nothing to compare with
  Json question;                         // of gate_question; null: expectations alone
  std::string void_because;              // why they can't be compared
  // predictions.csv of both on the same held out rows, of the challenger on the expectations.
  std::optional<std::string> of_champion, of_challenger, of_expectations;
  std::optional<uint64_t> expectations;  // so many rows must come out so; nothing: not known
  // Of the other models that are compared with this one: p so far, and how many have none yet,
  // which count as if theirs were larger. Holm's correction then is never too lenient.
  std::vector<double> other_p;
  uint64_t yet_to_come = 0;
  std::function<void()> each_round;  // of a bootstrap; may be empty
};
// All that does not depend on the other models: it may take seconds. No verdicts yet. Throws what
// read_predictions(), compare_models() and check_expectations() throw.
GateFindings measure_gate(const GateEvidence& evidence);
// The verdicts on what was measured: takes no time.
void conclude_gate(const GateEvidence& evidence, GateFindings& findings);
// Both.
GateFindings find_gate(const GateEvidence& evidence);

}  // namespace lockstep
