// Values that somebody gives a workflow with a start by hand, checked against what it declares.
// Knows nothing of YAML, of who gives them, or of where they go.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/core/workflow.h"

namespace lockstep {

constexpr size_t kLongestInput_bytes = 4096;

std::string_view word(ValueType type);
// What an input is that has no default and is not required: "", 0, false, the first option.
Json nothing_of(const WorkflowInput& input);

// `given` as a value of the input's type: a text that reads as one will do ("12", "true"). Whole
// numbers come out as integers. Throws invalid, naming the input and its place.
Json input_value(const WorkflowInput& input, const Json& given);

// Name → value of every input, those left out by their defaults. Throws Errors with all that is
// wrong with `given`, an object: unknown names, wrong types, required ones that are missing.
Json given_inputs(const std::string& workflow, const std::vector<WorkflowInput>& inputs,
                  const Json& given);
// The same where nothing is given: what a workflow is planned with by itself. An input that is
// required and has no default is null.
Json standard_inputs(const std::vector<WorkflowInput>& inputs);

// As it stands for `${{ inputs.NAME }}` inside a text.
std::string input_text(const Json& value);

}  // namespace lockstep
