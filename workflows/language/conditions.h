// The words that decide when a step or a workflow runs. Inside the language room only.
// Knows nothing of clocks, commits or attempts.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "workflows/language/step.h"

namespace lockstep {

// `if` of a step, whose inputs are read already.
void read_condition(Fields& fields, const StepScope& scope, StepTemplate& step);
// `concurrency` of a step or a workflow: a group's name, or a map.
std::optional<ConcurrencySpec> read_concurrency(Fields& fields,
                                                const std::vector<std::string>& matrix,
                                                Diagnostics& diagnostics);
// `debounce-seconds` of the triggers `data` and `code`: milliseconds, 0 where it is left out.
int64_t read_debounce(Fields& trigger, Diagnostics& diagnostics);
// on: {workflow: [a]}, on: {workflow: {names: [a], result: any}}
AfterSpec read_after(const YamlNode& node, Diagnostics& diagnostics);
// Unknown names in `on: {workflow: …}`, and workflows that start each other in a circle.
void check_followers(const std::vector<Workflow>& workflows, Diagnostics& diagnostics);

}  // namespace lockstep
