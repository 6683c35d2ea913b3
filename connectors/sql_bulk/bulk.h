// Rows of a SQL server by the million: SELECTs streamed into Arrow columns, batch by batch.
// Knows nothing of slices, commits or where the batches go.
//
// SqlConnection makes a text of every cell; here a value goes from the wire into its column, in the
// library's own calls. Memory: two batches for each connection and the one being delivered,
// whatever the number of rows.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "connectors/sql/column.h"
#include "connectors/sql/connection.h"
#include "pipeline/formats/arrow.h"

namespace lockstep {

// Which is faster depends on the server: MariaDB and MySQL send values ten times as fast as texts,
// Dolt is the other way round (and drops who prepares an `AS OF ?`).
enum class BulkProtocol { kText, kBinary };

struct BulkRead {
  std::string from;                // quoted: "`db`.`t`", "`db/9e9f…`.`t`"
  std::vector<SqlColumn> columns;  // delivered in this order; at least one
  std::string where;               // a condition; empty: all rows
  std::string order;               // without `key`: what to ORDER BY; may be empty
  BulkProtocol protocol = BulkProtocol::kBinary;
  // The place in `columns` of an integer that is different in every row, never NULL and within
  // int64. Rows then come by rising key; where a connection is lost, another goes on behind the
  // last row; and `connections` read ranges of it side by side. So the rows must be still: those
  // of a commit, or of a table that nobody writes to.
  std::optional<size_t> key;
  size_t connections = 1;
  // Of one batch, whichever is reached first. Bytes are those of texts, and 8 for each cell.
  uint64_t batch_rows = kMaxArrowRows;
  uint64_t batch_bytes = 8ull << 20;
};

// What a column is in every batch: int64, uint64 (BIGINT UNSIGNED and BIT), float64, binary, and
// utf8, which holds the canonical payload of every other type. So read_cell() of
// pipeline/snapshot/cells.h gives the very Value that connectors/sql/column.h reads from text.
ArrowType bulk_type(const SqlColumn& column);

// In the order of the columns, all equally long, at least one row. Valid during the call.
using BulkSink = std::function<void(const std::vector<ArrowArray>& batch)>;

// Returns how many rows came. Throws unavailable where a connection is lost and there is no key, or
// it stays lost, whatever was delivered before; SqlError for what the server answers; invalid,
// naming the column, for a value without a canonical form; corrupt for a key that does not rise.
// What the sink throws ends the reading and goes on to the caller.
uint64_t read_bulk(const SqlServer& server, const BulkRead& read, const BulkSink& sink);

}  // namespace lockstep
