// What a SQL server or the way to it answered instead of rows, with its number kept.
// Knows nothing of the driver that brought it.
#pragma once

#include <string>
#include <string_view>

#include "pipeline/base/error.h"

namespace lockstep {

class SqlError : public Error {
 public:
  // `number` is the server's (1000–1999, 3000 and up) or the client library's (2000–2999);
  // `server` names the server in the message; `state` is the SQLSTATE.
  SqlError(int number, std::string state, std::string_view answer, const std::string& server);

  int number;
  std::string state;

  // The connection is of no more use: it was lost, or is out of step with the server.
  bool fatal() const;
  // A row or a statement is larger than this side or the server takes; asking again is of no use.
  bool too_large() const;
  // Another transaction got in the way (deadlock, lost update): roll back and try again.
  bool clash() const;
};

// unavailable for all that may heal by itself, denied for refused sign-ins and certificates,
// not_found for a missing database, table or column, conflict for a clash, else invalid.
ErrorCode sql_error_code(int number, std::string_view state, std::string_view answer);

}  // namespace lockstep
