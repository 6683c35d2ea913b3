// Rows of two columns written as a step gets them with `format: arrow`, some rows to a file.
// Knows nothing of who reads them.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/files.h"
#include "pipeline/formats/arrow.h"

namespace lockstep {

using TextRows = std::vector<std::pair<std::optional<std::string>, std::optional<std::string>>>;

inline void write_arrow_rows(const fs::path& folder, const std::string& text,
                             const std::string& label, const TextRows& rows, size_t per_file = 40) {
  for (size_t begin = 0; begin == 0 || begin < rows.size(); begin += per_file) {
    ArrowBuilder texts(ArrowType::kUtf8), labels(ArrowType::kUtf8);
    for (size_t i = begin; i < std::min(rows.size(), begin + per_file); ++i) {
      rows[i].first ? texts.add_bytes(*rows[i].first) : texts.add_null();
      rows[i].second ? labels.add_bytes(*rows[i].second) : labels.add_null();
    }
    real_files().write_atomic(folder / fmt::format("part-{:05}.arrow", begin / per_file),
                              write_arrow({{label, ArrowType::kUtf8}, {text, ArrowType::kUtf8}},
                                          {labels.array(), texts.array()}));
  }
}

}  // namespace lockstep
