// Held out rows answered by a model, as the gate reads them (docs/GATES.md): torch/evaluate.
// Knows nothing of training, other models' answers or what becomes of these.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "workflows/torch/attempt.h"
#include "workflows/torch/text_model.h"

namespace lockstep {

struct AnswerSettings {
  std::string text, label;       // columns
  std::vector<std::string> key;  // columns; not all there: the row's number from 1
  std::string positive;          // class whose probability is the score; empty: that of the answer
  std::optional<std::vector<std::string>> columns;  // copied; none: all but the label
};

// `csv` has a header; `place` names it in errors. Gives CSV: key,expected,predicted,score and then
// the copied columns. A class the model does not know has probability 0. Throws invalid as
// read_labelled_texts() does, and where a copied column is called like one of its own.
std::string answer_rows(const TextModel& model, std::string_view csv, std::string_view place,
                        const AnswerSettings& settings);

// One attempt at torch/evaluate: LOCKSTEP_INPUT_MODEL, LOCKSTEP_INPUT_TRUNK if that is an adapter,
// the one LOCKSTEP_INPUT_*_HOLDOUT and LOCKSTEP_WITH give the output `predictions`. Throws Error.
void run_evaluation(const Variables& variables);

}  // namespace lockstep
