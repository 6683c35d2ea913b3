// What a look asks the server before it reads rows: checksums, counts, the newest value of a
// column. Knows nothing of what follows from the answers.
#pragma once

#include <string>

#include "connectors/mysql/describe.h"
#include "connectors/sql/connection.h"
#include "pipeline/base/json.h"

namespace lockstep {

// ["<rows>", four sums of 32 bits of each row's MD5]: reads the table on the server, sends one row.
// Every cell enters with its length, so that neighbours can't be mistaken for one another.
Json mysql_checksum(SqlConnection& sql, const MysqlTable& table);

uint64_t mysql_count(SqlConnection& sql, const MysqlTable& table);

// The greatest value as its canonical payload; empty where there is none but NULL.
std::string mysql_newest(SqlConnection& sql, const MysqlTable& table, const SqlColumn& column);

// A condition for rows at `newest` or later; of a point in time, `overlap_s` before it. Empty:
// every row. Throws invalid for a column of a type that has no such order.
std::string mysql_at_or_after(const SqlColumn& column, const std::string& newest,
                              int64_t overlap_s);

}  // namespace lockstep
