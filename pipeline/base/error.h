// The one exception type of the house: what failed, where, and the way out.
// Knows nothing of HTTP, exit codes or terminals; those map ErrorCode at their own door.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

enum class ErrorCode { kInvalid, kNotFound, kConflict, kUnavailable, kCorrupt, kDenied };

// "invalid", "not_found", …: the word used in JSON.
std::string_view word(ErrorCode code);
// Reverse of word(); unknown words read as kCorrupt.
ErrorCode error_code(std::string_view word);

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message, std::string hint = "", std::string where = "");

  const char* what() const noexcept override { return text_.c_str(); }

  ErrorCode code;
  std::string message;  // names the thing and what is wrong with it
  std::string hint;     // the way out; may be empty
  std::string where;    // "file:line:column" or another place; may be empty

 private:
  std::string text_;
};

// Several user errors found in one phase, reported all at once; what() joins them line by line.
class Errors : public Error {
 public:
  explicit Errors(std::vector<Error> all);
  std::vector<Error> all;
};

}  // namespace lockstep
