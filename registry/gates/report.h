// What a gate found, as a document for programs and as Markdown for people.
// Knows nothing of where it is shown or kept.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/json.h"
#include "registry/gates/compare.h"
#include "registry/gates/expectations.h"

namespace lockstep {

// Everything about one candidate. What is absent was not asked for.
struct GateFindings {
  std::string model;
  int64_t challenger = 0, champion = 0;  // versions; champion 0: none yet
  std::vector<Comparison> comparisons;   // decided; one for each metric asked for
  std::optional<ExpectationReport> expectations;
  std::string void_because;  // why champion and challenger could not be compared; may be empty
};

// The strictest of the comparisons' actions; hold where an expectation is broken.
GateAction action_of(const GateFindings& findings);
// Why, in a line: the first reason that has that action.
std::string reason_of(const GateFindings& findings);

// {model, challenger, champion, action, why, void, comparisons: […], expectations: {…}}. Texts that
// are not UTF-8 come with U+FFFD; docs/GATES.md has the fields.
Json findings_json(const GateFindings& findings);
// Names, labels and keys are text, whatever they hold.
std::string findings_markdown(const GateFindings& findings);

}  // namespace lockstep
