// A slice's rows as what a program reads: CSV, JSON lines, or a folder of Arrow files.
// Knows nothing of where the rows come from or of holdouts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipeline/core/artifacts.h"
#include "pipeline/core/executor.h"
#include "pipeline/core/value.h"

namespace lockstep {

class RowFiles {
 public:
  virtual ~RowFiles() = default;
  // Cells in the order of the columns; further ones are left out.
  virtual void add(const Row& row) = 0;
  // Puts the bytes. `file` is what the program sees, without the format's ending.
  virtual AttemptInput finish(const std::string& name, const std::string& file) = 0;
};

// `format`: "csv", "jsonl" or "arrow".
std::unique_ptr<RowFiles> row_files(const std::string& format, std::vector<Column> columns,
                                    Artifacts& artifacts);

}  // namespace lockstep
