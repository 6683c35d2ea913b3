#include "workflows/quality/out_of_sample.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <string_view>

#include "pipeline/base/error.h"
#include "workflows/quality/bins.h"

namespace lockstep {
namespace {

// FNV-1a of 64 bits, with an end after each part, so that parts don't run into each other.
uint64_t hash_of(std::initializer_list<std::string_view> parts) {
  uint64_t state = 0xcbf29ce484222325u;
  for (std::string_view part : parts) {
    for (char c : part) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    state = (state ^ 0x1ff) * 0x100000001b3u;
  }
  return state;
}

using Hashes = std::vector<uint64_t>;

void add_text(const FeatureColumn& column, const std::string& text, Hashes& out) {
  std::string before;
  for (const std::string& word : words_of(text)) {
    out.push_back(hash_of({column.name, "word", word}));
    if (!before.empty()) out.push_back(hash_of({column.name, "pair", before, word}));
    before = word;
  }
}

std::vector<Hashes> hashes_of(const LabelledRows& rows) {
  std::vector<Hashes> out(rows.size());
  for (const FeatureColumn& column : rows.columns) {
    const std::vector<double> edges =
        column.kind == FeatureKind::kNumber ? quantile_edges(column, 10) : std::vector<double>();
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto& value = column.values[i];
      if (!value) {
        out[i].push_back(hash_of({column.name, "null"}));
      } else if (column.kind == FeatureKind::kText) {
        add_text(column, *value, out[i]);
      } else if (column.kind == FeatureKind::kCategory) {
        out[i].push_back(hash_of({column.name, "is", *value}));
      } else {
        const size_t bin = bin_of(*number_at(column, i), edges);
        out[i].push_back(hash_of({column.name, "bin", std::to_string(bin)}));
      }
    }
  }
  return out;
}

// The pieces of every row, numbered from 0.
struct Pieces {
  std::vector<std::vector<uint32_t>> of_row;
  size_t all = 0;
};

Pieces numbered(const std::vector<Hashes>& hashes) {
  Hashes known;
  for (const Hashes& row : hashes) known.insert(known.end(), row.begin(), row.end());
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  Pieces out;
  out.all = known.size();
  for (const Hashes& row : hashes) {
    std::vector<uint32_t>& pieces = out.of_row.emplace_back();
    for (uint64_t hash : row) {
      const auto at = std::lower_bound(known.begin(), known.end(), hash);
      pieces.push_back(static_cast<uint32_t>(at - known.begin()));
    }
  }
  return out;
}

// How often a piece occurs in the rows of one class in one fold.
struct Times {
  uint32_t label = 0, fold = 0, times = 0;
};

// All counts at once: those without one fold are had by leaving it out.
class Counts {
 public:
  Counts(const Pieces& pieces, const std::vector<uint32_t>& labels,
         const std::vector<uint32_t>& folds, uint32_t classes, const FoldSettings& settings)
      : classes_(classes), smoothing_(settings.smoothing), vocabulary_(pieces.all) {
    pieces_.assign(settings.folds, std::vector<uint64_t>(classes, 0));
    rows_ = pieces_;
    std::vector<std::array<uint32_t, 3>> all;
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] == kNoLabel) continue;
      for (uint32_t fold = 0; fold < settings.folds; ++fold) {
        if (fold == folds[i]) continue;
        pieces_[fold][labels[i]] += pieces.of_row[i].size();
        ++rows_[fold][labels[i]];
      }
      for (uint32_t piece : pieces.of_row[i]) all.push_back({piece, labels[i], folds[i]});
    }
    std::sort(all.begin(), all.end());
    starts_.assign(pieces.all + 1, 0);
    for (size_t i = 0; i < all.size(); ++i) {
      const auto [piece, label, fold] = all[i];
      if (i > 0 && all[i] == all[i - 1]) {
        ++times_.back().times;
      } else {
        times_.push_back({label, fold, 1});
      }
      starts_[piece + 1] = times_.size();
    }
    for (size_t i = 1; i < starts_.size(); ++i) starts_[i] = std::max(starts_[i], starts_[i - 1]);
  }

  // log of prior × likelihood of each class, from the rows outside the fold.
  void score(const std::vector<uint32_t>& row, uint32_t fold, double* scores) const {
    uint64_t all_rows = 0;
    for (uint64_t rows : rows_[fold]) all_rows += rows;
    for (uint32_t c = 0; c < classes_; ++c) {
      const double all =
          static_cast<double>(pieces_[fold][c]) + smoothing_ * static_cast<double>(vocabulary_);
      const double prior =
          static_cast<double>(rows_[fold][c] + 1) / static_cast<double>(all_rows + classes_);
      const double unseen = row.empty() ? 0 : std::log(smoothing_ / all);
      scores[c] = std::log(prior) + unseen * static_cast<double>(row.size());
    }
    for (uint32_t piece : row) add_piece(piece, fold, scores);
  }

 private:
  void add_piece(uint32_t piece, uint32_t fold, double* scores) const {
    for (size_t i = starts_[piece]; i < starts_[piece + 1];) {
      const uint32_t label = times_[i].label;
      uint64_t times = 0;
      for (; i < starts_[piece + 1] && times_[i].label == label; ++i) {
        if (times_[i].fold != fold) times += times_[i].times;
      }
      if (times > 0) scores[label] += std::log1p(static_cast<double>(times) / smoothing_);
    }
  }

  uint32_t classes_;
  double smoothing_;
  size_t vocabulary_;
  std::vector<size_t> starts_;  // piece → where its times begin
  std::vector<Times> times_;
  std::vector<std::vector<uint64_t>> pieces_, rows_;  // outside a fold, of a class
};

// Softmax at a temperature, in place.
void soften(double* scores, uint32_t classes, double temperature) {
  const double most = *std::max_element(scores, scores + classes);
  double sum = 0;
  for (uint32_t c = 0; c < classes; ++c) {
    scores[c] = std::exp((scores[c] - most) / temperature);
    sum += scores[c];
  }
  for (uint32_t c = 0; c < classes; ++c) scores[c] /= sum;
}

double mean_log_likelihood(const Probabilities& scores, const std::vector<uint32_t>& labels,
                           double temperature) {
  double sum = 0;
  std::vector<double> row(scores.classes);
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == kNoLabel) continue;
    const auto at = scores.values.begin() + static_cast<long>(i * scores.classes);
    std::copy(at, at + scores.classes, row.begin());
    soften(row.data(), scores.classes, temperature);
    sum += std::log(std::max(row[labels[i]], 1e-12));
  }
  return sum;
}

void make_probabilities(Probabilities& scores, const std::vector<uint32_t>& labels) {
  double best = 1, most = mean_log_likelihood(scores, labels, 1);
  for (double temperature : {1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0}) {
    const double here = mean_log_likelihood(scores, labels, temperature);
    if (here > most) most = here, best = temperature;
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    soften(scores.values.data() + i * scores.classes, scores.classes, best);
  }
}

uint32_t fold_of(const Digest& content, uint32_t folds) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | content.bytes[static_cast<size_t>(i)];
  return static_cast<uint32_t>(value % folds);
}

}  // namespace

Probabilities out_of_sample(const LabelledRows& rows, const std::vector<uint32_t>& labels,
                            uint32_t classes, const FoldSettings& settings) {
  if (settings.folds < 2 || settings.folds > 100 || !(settings.smoothing > 0) ||
      !std::isfinite(settings.smoothing) || labels.size() != rows.size() || classes == 0) {
    throw Error(ErrorCode::kInvalid, "folds must be 2 to 100, smoothing above 0");
  }
  const Pieces pieces = numbered(hashes_of(rows));
  std::vector<uint32_t> folds;
  for (const Digest& content : contents(rows)) folds.push_back(fold_of(content, settings.folds));
  const Counts counts(pieces, labels, folds, classes, settings);
  Probabilities out;
  out.classes = classes;
  out.values.resize(rows.size() * classes);
  for (size_t i = 0; i < rows.size(); ++i) {
    counts.score(pieces.of_row[i], folds[i], out.values.data() + i * classes);
  }
  make_probabilities(out, labels);
  return out;
}

}  // namespace lockstep
