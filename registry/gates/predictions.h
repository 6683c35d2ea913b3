// What an evaluation wrote, predictions.csv, as the rows that comparisons and expectations read.
// Knows nothing of models, or of who made the predictions.
//
// Columns: key, expected, predicted, and where there are any score (a number) and others, in any
// order; docs/GATES.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "registry/gates/compare.h"
#include "registry/gates/expectations.h"

namespace lockstep {

// `place` names the file in errors. `slices`: columns by whose values the rows are cut, each slice
// as "column=value". Throws invalid, with the line: no CSV, a column that is missing or there
// twice, a score that is no finite number.
std::vector<PredictedRow> read_predictions(std::string_view csv, std::string_view place,
                                           const std::vector<std::string>& slices);

// Rows that must come out so, and how they came out.
struct AnsweredExpectations {
  std::vector<Expectation> expectations;
  std::vector<AnsweredRow> answers;
};
// The columns ticket, author and date say who wants it; a row is named by all other columns, or, if
// there are none, by its key. `rows`: so many there are, where it is known. Throws as
// read_predictions() does, and conflict where not all were answered, or more.
AnsweredExpectations read_expectations(std::string_view csv, std::string_view place,
                                       std::optional<uint64_t> rows = {});

}  // namespace lockstep
