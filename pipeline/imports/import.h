// An import: a sheet compared with a table by key, and the difference written as one commit.
// Knows nothing of where the sheet came from, nor of what kind the table store is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/core/source.h"
#include "pipeline/core/table_writer.h"
#include "pipeline/imports/sheet.h"

namespace lockstep {

struct ImportRules {
  SheetColumns columns;
  // Rows of the table that the sheet lacks are removed; otherwise they stay.
  bool remove = true;
  // An import that would change or remove more than this part of the table's rows, and more than
  // `always` of them, is refused unless `accept` is set.
  double max_change = 0.5;
  uint64_t always = 10;
  bool accept = false;
};

struct ImportChange {
  TableChange change;
  uint64_t added = 0, changed = 0, removed = 0;
  uint64_t unchanged = 0;
  uint64_t kept = 0;  // not in the sheet, and left in the table
  // The first rows that differ, over change.columns; nothing before: added.
  std::vector<std::pair<std::optional<Row>, std::optional<Row>>> sample;

  bool empty() const { return added + changed + removed == 0; }
  std::string counts() const;  // "3 added, 2 changed, 1 removed"
};

// What `csv` would change in the table at `commit`. Both are walked once in key order. Throws what
// read_sheet and the store throw; invalid where the sheet has no rows and the table has some;
// conflict above `max_change`.
ImportChange compare_sheet(TableStore& store, const std::string& commit, const std::string& table,
                           std::string_view csv, const std::string& place, const ImportRules& rules,
                           size_t max_sample = 20);

}  // namespace lockstep
