// Labels that are likely wrong, by confident learning.
// Knows nothing of where the probabilities come from or what a row holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lockstep {

// Rows × classes, row after row: what a model that has not seen the row gives to each class.
struct Probabilities {
  uint32_t classes = 0;
  std::vector<double> values;

  size_t rows() const { return classes == 0 ? 0 : values.size() / classes; }
  double at(size_t row, uint32_t label) const { return values[row * classes + label]; }
};

inline constexpr uint32_t kNoLabel = UINT32_MAX;

struct SuspectLabel {
  size_t row = 0;
  uint32_t given = 0, suggested = 0;
  double p_given = 0, p_suggested = 0;
  double margin = 0;  // p_given − that of the most likely other class: the lower, the surer
};

struct LabelNoise {
  uint64_t judged = 0;             // rows with a label of a class that has enough rows
  std::vector<double> thresholds;  // of each class; 2 where it was not judged
  // Confident joint: rows labelled i that are confidently of class j, [i × classes + j].
  std::vector<uint64_t> joint;
  double noise = 0;                    // estimated share of wrong labels, 0 to 1
  std::vector<SuspectLabel> suspects;  // surest first; the same margin: by row
};

// Northcutt, Jiang, Chuang: Confident Learning (JAIR 70, 2021). The threshold of a class is the
// mean probability that rows labelled so get for it; a row is confidently of the most likely class
// among those whose threshold it reaches (section 3.1). `noise` is the share off the diagonal once
// the joint's rows are made to add up to the labels' counts. As many rows as that are suspects,
// taken by normalised margin (section 3.2, prune by noise rate, with one rank for all classes), of
// those for which another class is more likely than the given one. `labels` has kNoLabel for rows
// without one. Classes of fewer than `min_rows` rows are left out: neither are their rows judged
// nor are they suggested. Throws invalid where probabilities are not 0 to 1, don't add up to 1, or
// are of another size.
LabelNoise confident_learning(const std::vector<uint32_t>& labels,
                              const Probabilities& probabilities, uint64_t min_rows = 5);

}  // namespace lockstep
