// How far rows have moved since the last training, column by column.
// Knows nothing of commits or of what should be done about it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workflows/quality/rows.h"

namespace lockstep {

// Probability that a chi-square variable with `degrees` of freedom is at least `x`.
double chi_square_tail(double x, uint64_t degrees);

struct ColumnDrift {
  std::string column;
  uint64_t bins = 0;
  double psi = 0;     // population stability index
  double excess = 0;  // what of it chance does not explain
  double p = 1;       // of at least this index if nothing had moved
  bool drifted = false;
};

// Of two counts in the same bins, from so many rows each. Index: the sum of (b − a) ln(b / a) over
// shares, half a count added to every bin. If nothing has moved it is chi-square with bins − 1
// degrees of freedom times 1/before + 1/now (Yurdakul, Naranjo 2020): that gives p, and the mean
// that `excess` leaves out. Drifted: excess of at least 0.1, and p at most 0.01 / `tests`.
ColumnDrift drift_between(const std::vector<uint64_t>& before, const std::vector<uint64_t>& now,
                          uint64_t before_rows, uint64_t now_rows, uint64_t tests = 1);

// The label, then the columns that both have, by name. Bins: of labels and categories the values
// with at least 10 rows, at most 49, and one for all others; of numbers the tenths of `before`; of
// texts words, as values. NULL is a value. Empty where one side has no rows.
std::vector<ColumnDrift> drift(const LabelledRows& before, const LabelledRows& now);

}  // namespace lockstep
