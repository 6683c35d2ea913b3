// Probabilities of labels from a model that has not seen the row: naive Bayes, fold by fold.
// Knows nothing of what they are used for.
#pragma once

#include "workflows/quality/noise.h"
#include "workflows/quality/rows.h"

namespace lockstep {

struct FoldSettings {
  uint32_t folds = 10;     // 2 to 100
  double smoothing = 0.1;  // added to every count (Lidstone)
};

// Multinomial naive Bayes (McCallum, Nigam 1998) over pieces of the columns: a text's words and
// pairs of neighbouring words, a category as it is, a number as the tenth of all it falls into;
// NULL is a piece of its own. The fold of a row follows from its content, so that equal rows are
// never on both sides, and from nothing else. Scores become probabilities at the temperature (from
// a short list) under which the given labels are most likely: naive Bayes alone is far too sure.
// `labels` has kNoLabel for rows without one; these get probabilities, too.
// Takes rows × classes doubles. Throws invalid on settings outside their bounds.
Probabilities out_of_sample(const LabelledRows& rows, const std::vector<uint32_t>& labels,
                            uint32_t classes, const FoldSettings& settings = {});

}  // namespace lockstep
