// The rows a step was given: texts with their classes, read from CSV and parted for validation.
// Knows nothing of n-grams or models.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/error.h"

namespace lockstep {

struct LabelledTexts {
  std::vector<std::string> texts;
  std::vector<std::string> labels;

  size_t size() const { return texts.size(); }
};

// Reads the two columns of a CSV document with a header. Throws invalid with place:line for a
// missing column, bad UTF-8, a missing text, or a missing, empty or over-long label.
LabelledTexts read_labelled_texts(std::string_view csv, std::string_view place,
                                  std::string_view text_column, std::string_view label_column);

// What is refused in a row at `place`, and a column that is not there; of every format.
[[noreturn]] void refuse_row(std::string_view column, const char* why, const std::string& place);
void check_label(std::string_view column, const std::string& label, const std::string& place);
Error missing_column(std::string_view name, const std::vector<std::string>& names,
                     const std::string& place);

// One column of a CSV document with a header; NULL reads as "".
std::vector<std::string> read_column(std::string_view csv, std::string_view place,
                                     std::string_view column);

// The distinct labels, sorted by bytes. Throws invalid when there are fewer than two, or more than
// 10,000.
std::vector<std::string> distinct_labels(const LabelledTexts& rows, std::string_view place);

// The position of each row's label in `labels`; labels.size() where it is not among them.
std::vector<uint32_t> label_indices(const LabelledTexts& rows,
                                    const std::vector<std::string>& labels);

struct Parts {
  LabelledTexts training;
  LabelledTexts validation;
};

// Rows whose text's SHA-256 begins below a tenth of the range are for validation: equal texts
// stay together, and a row stays where it is whatever rows come or go. A class that would lose
// all its rows keeps them.
Parts part_for_validation(LabelledTexts rows);

}  // namespace lockstep
