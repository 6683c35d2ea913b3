#include "workflows/quality/quality.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr double kMostCells = 100e6;  // rows × classes of probabilities

// Everything by key and name, so that no order of the input shows.
struct Sorted {
  LabelledRows train;
  std::optional<LabelledRows> holdout, before;
  std::map<std::string, uint32_t> classes;
  std::vector<uint32_t> labels;  // of train; kNoLabel: missing or not declared
  std::vector<Digest> content;   // of train
};

bool missing(const std::optional<std::string>& label) {
  return !label || label->empty();
}

std::vector<std::string> names_of(const LabelledRows& rows) {
  std::vector<std::string> out;
  for (const FeatureColumn& column : rows.columns) out.push_back(column.name);
  return out;
}

std::map<std::string, uint32_t> classes_of(const QualityInput& input) {
  std::map<std::string, uint32_t> out;
  for (const std::string& name : input.classes) {
    if (out.emplace(name, 0).second) continue;
    throw Error(ErrorCode::kInvalid, "class " + printable(name) + " is declared twice");
  }
  if (input.classes.empty()) {
    for (const auto& label : input.train.labels) {
      if (!missing(label)) out.emplace(*label, 0);
    }
  }
  uint32_t next = 0;
  for (auto& [name, number] : out) number = next++;
  return out;
}

Sorted sorted(const QualityInput& input) {
  Sorted out;
  if (input.train.size() == 0) throw Error(ErrorCode::kInvalid, "there are no rows to look at");
  out.train = sorted_rows(input.train, "rows");
  if (input.holdout) out.holdout = sorted_rows(*input.holdout, "holdout");
  if (input.before) out.before = sorted_rows(*input.before, "rows trained on last");
  if (out.holdout && names_of(*out.holdout) != names_of(out.train)) {
    throw Error(ErrorCode::kInvalid, "the holdout has other columns than the rows");
  }
  out.classes = classes_of(input);
  for (const auto& label : out.train.labels) {
    const auto known = missing(label) ? out.classes.end() : out.classes.find(*label);
    out.labels.push_back(known == out.classes.end() ? kNoLabel : known->second);
  }
  out.content = contents(out.train);
  return out;
}

std::string label_of(const LabelledRows& rows, size_t row) {
  return rows.labels[row].value_or("");
}

// ---- one kind of trouble after the other --------------------------------------------------------

void count_classes(const Sorted& in, QualityReport& out) {
  std::vector<uint64_t> counts(in.classes.size(), 0);
  for (uint32_t label : in.labels) {
    if (label != kNoLabel) ++counts[label];
  }
  for (const auto& [name, number] : in.classes) out.classes.push_back({name, counts[number]});
  const auto fewest = std::min_element(out.classes.begin(), out.classes.end(),
                                       [](auto& a, auto& b) { return a.rows < b.rows; });
  if (fewest != out.classes.end()) out.minority = *fewest;
  out.entropy = normalised_entropy(counts);
}

void find_missing(const Sorted& in, QualityReport& out) {
  for (size_t i = 0; i < in.train.size(); ++i) {
    if (in.labels[i] != kNoLabel) continue;
    const bool none = missing(in.train.labels[i]);
    ++(none ? out.missing_labels : out.undeclared_labels);
    out.suspects.push_back({in.train.keys[i], in.train.label_column, label_of(in.train, i), "",
                            none ? "no label" : "the label is no declared class"});
  }
}

// Rows of the same content, and what their labels say together.
struct Group {
  std::vector<size_t> rows;
  size_t first = 0;             // labelled, where `other` is set
  std::optional<size_t> other;  // the first with another label than `first`
  std::string majority;         // the label that most of them have; empty where two are even
};

void compare_labels(const LabelledRows& rows, Group& group) {
  std::map<std::string, size_t> times;
  std::optional<size_t> first;
  for (size_t row : group.rows) {
    if (missing(rows.labels[row])) continue;
    ++times[*rows.labels[row]];
    if (!first) first = row;
    if (!group.other && rows.labels[row] != rows.labels[*first]) group.other = row;
  }
  if (!group.other) return;
  group.first = *first;
  size_t most = 0;
  for (const auto& [label, count] : times) {
    if (count == most) group.majority.clear();
    if (count > most) group.majority = label, most = count;
  }
}

void find_duplicates(const Sorted& in, QualityReport& out) {
  std::unordered_map<Digest, Group, DigestHash> groups;
  for (size_t i = 0; i < in.train.size(); ++i) groups[in.content[i]].rows.push_back(i);
  for (auto& [content, group] : groups) compare_labels(in.train, group);
  for (size_t i = 0; i < in.train.size(); ++i) {  // by key, not as the map has them
    const Group& group = groups.at(in.content[i]);
    if (group.rows.front() != i) ++out.duplicates;
    if (!group.other || missing(in.train.labels[i])) continue;
    ++out.conflicting;
    const bool as_first = in.train.labels[i] == in.train.labels[group.first];
    const size_t other = as_first ? *group.other : group.first;
    out.suspects.push_back({in.train.keys[i], in.train.label_column, label_of(in.train, i),
                            group.majority,
                            "same content as row " + in.train.keys[other] + ", which is " +
                                label_of(in.train, other)});
  }
}

void find_leaks(const Sorted& in, QualityReport& out) {
  if (!in.holdout) return;
  out.holdout_rows = in.holdout->size();
  std::unordered_map<Digest, size_t, DigestHash> trained;
  for (size_t i = 0; i < in.train.size(); ++i) trained.emplace(in.content[i], i);
  const std::vector<Digest> held_out = contents(*in.holdout);
  for (size_t i = 0; i < held_out.size(); ++i) {
    const auto found = trained.find(held_out[i]);
    if (found == trained.end()) continue;
    ++out.leaked;
    out.suspects.push_back({in.holdout->keys[i], "", "", "",
                            "held out, and same content as row " + in.train.keys[found->second] +
                                ", which is trained on"});
  }
}

// The caller's probabilities in the order of Sorted.
Probabilities rearranged(const QualityInput& input, const Sorted& in) {
  const Probabilities& given = *input.probabilities;
  if (input.classes.empty() || given.classes != in.classes.size() ||
      given.values.size() != in.train.size() * in.classes.size()) {
    throw Error(ErrorCode::kInvalid, "not one probability for each row and declared class");
  }
  std::map<std::string, size_t> place;
  for (size_t i = 0; i < input.train.size(); ++i) place[input.train.keys[i]] = i;
  Probabilities out;
  out.classes = given.classes;
  out.values.resize(given.values.size());
  for (size_t i = 0; i < in.train.size(); ++i) {
    const size_t from = place.at(in.train.keys[i]);
    for (uint32_t c = 0; c < given.classes; ++c) {
      out.values[i * given.classes + in.classes.at(input.classes[c])] = given.at(from, c);
    }
  }
  return out;
}

void find_noise(const QualityInput& input, const Sorted& in, const QualitySettings& settings,
                QualityReport& out) {
  const double cells =
      static_cast<double>(in.train.size()) * static_cast<double>(in.classes.size());
  if (in.classes.size() < 2 || cells > kMostCells) return;
  const Probabilities p =
      input.probabilities ? rearranged(input, in)
                          : out_of_sample(in.train, in.labels,
                                          static_cast<uint32_t>(in.classes.size()), settings.folds);
  out.noise = confident_learning(in.labels, p, settings.min_class_rows);
  if (out.noise->judged == 0) {
    out.noise.reset();
    return;
  }
  for (const SuspectLabel& one : out.noise->suspects) {
    out.suspects.push_back(
        {in.train.keys[one.row], in.train.label_column, out.classes[one.given].name,
         out.classes[one.suggested].name,
         fmt::format(
             "label noise: a model that has not seen the row gives it {:.3f}, the suggested "
             "one {:.3f}",
             one.p_given, one.p_suggested)});
  }
}

// ---- the score ----------------------------------------------------------------------------------

double share(uint64_t part, uint64_t all) {
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

void add_part(QualityReport& out, const char* name, double weight, double worst,
              std::optional<double> value, std::string text) {
  QualityPart part = {name, value, weight, worst, 0, std::move(text)};
  if (value) part.lost = weight * std::min(1.0, *value / worst);
  out.parts.push_back(std::move(part));
}

void add_label_parts(const QualityInput& input, QualityReport& out) {
  const uint64_t rows = out.rows;
  add_part(out, "label_noise", 30, 0.2, out.noise ? std::optional(out.noise->noise) : std::nullopt,
           out.noise ? fmt::format("about {:.1f} % of {} labels are wrong, by {}",
                                   out.noise->noise * 100, out.noise->judged,
                                   input.probabilities ? "the probabilities given"
                                                       : "naive Bayes, fold by fold")
                     : std::string("not judged: fewer than two classes with enough rows, or too "
                                   "many classes for so many rows"));
  add_part(out, "missing_labels", 15, 0.2, share(out.missing_labels + out.undeclared_labels, rows),
           fmt::format("{} of {} rows have no label, {} one that is not declared",
                       out.missing_labels, rows, out.undeclared_labels));
  add_part(out, "conflicts", 10, 0.1, share(out.conflicting, rows),
           fmt::format("{} of {} rows have the content of another with another label",
                       out.conflicting, rows));
  add_part(out, "balance", 10, 1, out.entropy ? std::optional(1 - *out.entropy) : std::nullopt,
           out.entropy
               ? fmt::format("{:.4f} of 1 over {} classes; fewest rows: {} with {}", *out.entropy,
                             out.classes.size(), printable(out.minority.name), out.minority.rows)
               : std::string("not judged: fewer than two classes"));
}

void add_row_parts(const Sorted& in, QualityReport& out) {
  add_part(out, "leakage", 20, 0.1,
           in.holdout ? std::optional(share(out.leaked, out.holdout_rows)) : std::nullopt,
           in.holdout ? fmt::format("{} of {} held out rows have the content of one trained on",
                                    out.leaked, out.holdout_rows)
                      : std::string("not judged: no holdout"));
  double most = 0;
  std::string moved;
  for (const ColumnDrift& one : out.drift) {
    if (!one.drifted) continue;
    most = std::max(most, one.excess);
    moved += (moved.empty() ? "" : ", ") + printable(one.column);
  }
  add_part(out, "drift", 10, 0.5, out.drift.empty() ? std::nullopt : std::optional(most),
           out.drift.empty() ? "not judged: nothing was trained on before"
           : moved.empty()   ? "nothing has moved since the last training"
                             : "moved since the last training: " + moved);
  add_part(
      out, "duplicates", 5, 0.5, share(out.duplicates, out.rows),
      fmt::format("{} of {} rows have the content of an earlier one", out.duplicates, out.rows));
}

void conclude(const QualitySettings& settings, QualityReport& out) {
  double lost = 0;
  for (const QualityPart& part : out.parts) lost += part.lost;
  out.score = std::max(0.0, 100 - lost);
  out.action = out.score < settings.block_below  ? QualityAction::kBlock
               : out.score < settings.warn_below ? QualityAction::kWarn
                                                 : QualityAction::kGood;
  if (out.suspects.size() > settings.max_suspects) {
    out.suspects_left_out = out.suspects.size() - settings.max_suspects;
    out.suspects.resize(settings.max_suspects);
  }
}

}  // namespace

std::optional<double> normalised_entropy(const std::vector<uint64_t>& counts) {
  double all = 0;
  for (uint64_t count : counts) all += static_cast<double>(count);
  if (counts.size() < 2 || all == 0) return {};
  double entropy = 0;
  for (uint64_t count : counts) {
    const double p = static_cast<double>(count) / all;
    if (count > 0) entropy -= p * std::log(p);
  }
  return std::clamp(entropy / std::log(static_cast<double>(counts.size())), 0.0, 1.0);
}

std::string_view word(QualityAction action) {
  return action == QualityAction::kGood   ? "good"
         : action == QualityAction::kWarn ? "warn"
                                          : "block";
}

QualityReport look_at(const QualityInput& input, const QualitySettings& settings) {
  const Sorted in = sorted(input);
  QualityReport out;
  out.rows = in.train.size();
  count_classes(in, out);
  find_missing(in, out);
  find_duplicates(in, out);
  find_leaks(in, out);
  find_noise(input, in, settings, out);
  if (in.before) out.drift = drift(*in.before, in.train);
  add_label_parts(input, out);
  add_row_parts(in, out);
  conclude(settings, out);
  return out;
}

}  // namespace lockstep
