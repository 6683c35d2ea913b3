// Rows of one table at one commit, and differences between two, from a Dolt server's answers.
// Knows nothing of branches, or of how schemas are found. For the table store only.
#pragma once

#include <string>
#include <vector>

#include "connectors/dolt/link.h"
#include "connectors/dolt/tables_at.h"
#include "pipeline/core/source.h"

namespace lockstep {

// As TableStore::read.
void read_dolt_rows(DoltLink& link, const DoltTable& table, const TableRead& request,
                    const RowSink& sink);

// As TableStore::diff.
void read_dolt_diff(DoltLink& link, const DoltTable& before, const DoltTable& after,
                    const std::vector<std::string>& columns, const DiffSink& sink);

}  // namespace lockstep
