#include "workflows/torch/arrow_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/error.h"
#include "pipeline/base/mapped.h"
#include "pipeline/formats/arrow.h"
#include "workflows/torch/model_file.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  uint64_t bytes = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".arrow" || !entry.is_regular_file()) continue;
    files.push_back(entry.path());
    bytes += entry.file_size();
  }
  if (files.empty()) {
    throw Error(ErrorCode::kInvalid, "has no Arrow files", "a folder is read as `format: arrow`",
                folder.string());
  }
  if (bytes > kMaxModelBytes) {
    throw Error(ErrorCode::kInvalid, fmt::format("is larger than {} bytes", kMaxModelBytes), "",
                folder.string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

size_t column_of(const ArrowFile& file, std::string_view name, const std::string& place) {
  std::vector<std::string> names;
  for (size_t i = 0; i < file.columns().size(); ++i) {
    const ArrowColumn& column = file.columns()[i];
    names.push_back(column.name);
    if (column.name != name) continue;
    if (column.type == ArrowType::kUtf8 || column.type == ArrowType::kInt64 ||
        column.type == ArrowType::kUint64) {
      return i;
    }
    throw Error(ErrorCode::kInvalid,
                fmt::format("column {} is {}: texts and classes are text or whole numbers", name,
                            word(column.type)),
                "", place);
  }
  throw missing_column(name, names, place);
}

// As the cell stands in a CSV file.
std::string cell_text(const ArrowArray& array, uint64_t row) {
  if (array.type == ArrowType::kInt64) return std::to_string(array.integer(row));
  if (array.type == ArrowType::kUint64) return std::to_string(array.natural(row));
  return std::string(array.bytes(row));
}

}  // namespace

LabelledTexts read_labelled_arrow(const fs::path& folder, std::string_view text_column,
                                  std::string_view label_column) {
  LabelledTexts out;
  for (const fs::path& path : files_of(folder)) {
    const MappedFile mapped(path);
    const ArrowFile file(mapped.bytes(), path.string());
    const size_t text = column_of(file, text_column, path.string());
    const size_t label = column_of(file, label_column, path.string());
    uint64_t before = 0;  // rows of the file's earlier batches
    for (size_t i = 0; i < file.batches(); ++i) {
      const std::vector<ArrowArray> batch = file.batch(i);
      for (uint64_t row = 0; row < batch[text].rows; ++row) {
        const std::string place = fmt::format("{}:{}", path.string(), before + row + 1);
        if (batch[text].null(row)) refuse_row(text_column, "is NULL", place);
        std::string name = batch[label].null(row) ? "" : cell_text(batch[label], row);
        check_label(label_column, name, place);
        out.texts.push_back(cell_text(batch[text], row));
        out.labels.push_back(std::move(name));
      }
      before += batch[text].rows;
    }
  }
  return out;
}

}  // namespace lockstep
