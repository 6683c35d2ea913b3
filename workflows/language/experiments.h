// What starts experiments: inputs of a start by hand, and tags of the code. Inside the language
// room only. Knows nothing of what an experiment does.
#pragma once

#include "workflows/language/fields.h"
#include "workflows/language/parse.h"

namespace lockstep {

// on: {manual: {inputs: {epochs: {type: integer, default: 3}}}}; `manual` is what `manual` holds.
void read_inputs_of_start(Fields& manual, Workflow& workflow, Diagnostics& diagnostics);
// on: {tag: ["exp/*"]}
void read_tags(const YamlNode& node, Workflow& workflow, Diagnostics& diagnostics);
// What only shows once all triggers are read: an input must have a value whenever the workflow
// starts by itself.
void check_inputs_of_start(const Workflow& workflow, Diagnostics& diagnostics);

}  // namespace lockstep
