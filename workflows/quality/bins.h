// Values put into few bins, so that two sets of them can be compared. And words of a text.
// Knows nothing of drift or models.
#pragma once

#include <string>
#include <vector>

#include "workflows/quality/rows.h"

namespace lockstep {

// Upper edges that cut a number column into at most `bins` parts of about equal size, ascending,
// each once; the last part has no edge.
std::vector<double> quantile_edges(const FeatureColumn& column, size_t bins);
std::vector<double> quantile_edges(std::vector<double> values, size_t bins);
// The part that `value` is in: the first whose edge is not below it.
size_t bin_of(double value, const std::vector<double>& edges);

// Runs of ASCII letters (in lower case), digits, apostrophes and bytes above 0x7f.
std::vector<std::string> words_of(const std::string& text);

}  // namespace lockstep
