// Rows made up for tests of their quality. Knows nothing of what is looked for in them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "pipeline/base/random.h"
#include "workflows/quality/quality.h"

namespace lockstep {

inline LabelledRows text_rows() {
  LabelledRows rows;
  rows.columns.push_back({"text", FeatureKind::kText, {}});
  return rows;
}

inline void add(LabelledRows& rows, const std::string& key, std::optional<std::string> text,
                std::optional<std::string> label) {
  rows.keys.push_back(key);
  rows.labels.push_back(std::move(label));
  rows.columns.at(0).values.push_back(std::move(text));
}

// Sentences of words that hint at their class: "red", "green", "blue". Keys "row-0" …
inline LabelledRows sentences(uint64_t count, uint64_t seed) {
  static const std::vector<std::string> kColours = {"blue", "green", "red"};
  LabelledRows rows = text_rows();
  Random random(seed);
  for (uint64_t i = 0; i < count; ++i) {
    const std::string& colour = kColours[random.below(3)];
    std::string text;
    for (int word = 0; word < 6; ++word) {
      const bool hint = random.below(2) == 0;
      text += hint ? colour + std::to_string(random.below(8)) + " "
                   : "word" + std::to_string(random.below(30)) + " ";
    }
    add(rows, "row-" + std::to_string(i), text, colour);
  }
  return rows;
}

inline LabelledRows shuffled(const LabelledRows& rows, uint64_t seed) {
  std::vector<uint32_t> order(rows.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  Random(seed).shuffle(order);
  LabelledRows out;
  out.label_column = rows.label_column;
  for (const FeatureColumn& column : rows.columns) {
    out.columns.push_back({column.name, column.kind, {}});
  }
  for (uint32_t row : order) {
    out.keys.push_back(rows.keys[row]);
    out.labels.push_back(rows.labels[row]);
    for (size_t c = 0; c < rows.columns.size(); ++c) {
      out.columns[c].values.push_back(rows.columns[c].values[row]);
    }
  }
  std::reverse(out.columns.begin(), out.columns.end());
  return out;
}

inline QualityReport looked_at(const LabelledRows& train,
                               const std::vector<std::string>& classes = {}) {
  QualityInput input;
  input.train = train;
  input.classes = classes;
  return look_at(input);
}

inline const QualityPart& part(const QualityReport& report, const std::string& name) {
  return *std::find_if(report.parts.begin(), report.parts.end(),
                       [&](const QualityPart& one) { return one.name == name; });
}

}  // namespace lockstep
