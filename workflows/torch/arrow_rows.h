// The rows a step was given with `format: arrow`: texts with their classes, from mapped files.
// Knows nothing of n-grams or models.
#pragma once

#include <filesystem>
#include <string_view>

#include "workflows/torch/rows.h"

namespace lockstep {

// Reads the two columns of the *.arrow files of a folder, in the order of their names: the same
// texts and labels that the rows' CSV gives. Columns may be text or whole numbers. Throws invalid
// with file:row for a missing column, another type, a missing text, or a missing, empty or
// over-long label; corrupt for a damaged file.
LabelledTexts read_labelled_arrow(const std::filesystem::path& folder, std::string_view text_column,
                                  std::string_view label_column);

}  // namespace lockstep
