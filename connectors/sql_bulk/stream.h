// One connection in the library's own calls: a SELECT whose rows go into a batch as they come.
// Knows nothing of ranges or threads; for read_bulk() only.
#pragma once

#include <memory>
#include <string>

#include "connectors/sql_bulk/batch.h"

namespace lockstep {

// For one thread. After any error it must be thrown away.
class BulkStream {
 public:
  // Connects; the session is as SqlConnection's. Throws SqlError.
  explicit BulkStream(const SqlServer& server);
  ~BulkStream();
  BulkStream(const BulkStream&) = delete;
  BulkStream& operator=(const BulkStream&) = delete;

  // The answer must have as many columns. Before the next one, next() must have said it is over.
  void begin(const std::string& select, const std::vector<SqlColumn>& columns,
             BulkProtocol protocol);
  // Takes one row into `batch`; false at the end of the rows. Throws SqlError, unavailable where
  // the connection was lost.
  bool next(BulkBatch& batch);

 private:
  struct Session;
  std::unique_ptr<Session> session_;
};

}  // namespace lockstep
