// Labelled rows as columns, the way the quality of data is looked at.
// Knows nothing of tables, files or what is wrong with the rows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/digest.h"

namespace lockstep {

enum class FeatureKind { kText, kCategory, kNumber };

struct FeatureColumn {
  std::string name;
  FeatureKind kind = FeatureKind::kText;
  std::vector<std::optional<std::string>> values;  // of each row; none: NULL
};

struct LabelledRows {
  std::vector<std::string> keys;  // each once
  std::string label_column = "label";
  std::vector<std::optional<std::string>> labels;  // none, or empty: missing
  std::vector<FeatureColumn> columns;              // without the label

  size_t size() const { return keys.size(); }
};

// The same rows, by key. Throws invalid: columns of another length, or with one name, a key twice,
// a number that is none. `whose` names the rows in messages.
LabelledRows sorted_rows(const LabelledRows& rows, const std::string& whose);

// Of each row: the digest of its features, whatever key and label are. Columns by name.
std::vector<Digest> contents(const LabelledRows& rows);

// The finite number that a cell of a number column holds; none: NULL.
std::optional<double> number_at(const FeatureColumn& column, size_t row);

}  // namespace lockstep
