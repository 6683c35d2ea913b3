// Texts with ${{ … }}: which references may stand where, checked with their place.
// Knows nothing of the values behind them; it evaluates nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/core/workflow.h"
#include "pipeline/yaml/yaml.h"
#include "workflows/language/parse.h"

namespace lockstep {

// What may be referred to at one place.
struct TemplateScope {
  std::vector<std::string> matrix;                 // axes of the step
  std::optional<std::vector<std::string>> env;     // nullopt: env.* is not read here
  std::optional<std::vector<std::string>> commit;  // source names; nullopt: not read here
  std::vector<std::string> inputs = {};            // of the workflow
};

// Splits and checks `text`; errors go to `place`. `what` names the text in messages.
TemplateText check_template(const std::string& text, const Place& place, const std::string& what,
                            const TemplateScope& scope, Diagnostics& diagnostics);

// A scalar read as a template: as written when it is a number, true or false.
std::optional<TemplateText> read_template(const YamlNode& node, const std::string& what,
                                          const TemplateScope& scope, Diagnostics& diagnostics);

// References of one kind ("commit.") in a text.
bool refers_to(const TemplateText& text, std::string_view prefix);

// The text as a pattern: references become '*', for comparing what it may come to mean.
std::string pattern_of(const TemplateText& text);
// Whether some text matches both patterns.
bool patterns_meet(std::string_view a, std::string_view b);

}  // namespace lockstep
