#include "pipeline/base/error.h"

#include <array>
#include <utility>

namespace lockstep {
namespace {

constexpr std::array<std::string_view, 6> kWords = {"invalid",     "not_found", "conflict",
                                                    "unavailable", "corrupt",   "denied"};

std::string join(const std::vector<Error>& all) {
  std::string text;
  for (const Error& error : all) {
    if (!text.empty()) text += '\n';
    text += error.what();
  }
  return text;
}

}  // namespace

std::string_view word(ErrorCode code) {
  return kWords[static_cast<size_t>(code)];
}

ErrorCode error_code(std::string_view word) {
  for (size_t i = 0; i < kWords.size(); ++i) {
    if (kWords[i] == word) return static_cast<ErrorCode>(i);
  }
  return ErrorCode::kCorrupt;
}

Error::Error(ErrorCode code_in, std::string message_in, std::string hint_in, std::string where_in)
    : code(code_in),
      message(std::move(message_in)),
      hint(std::move(hint_in)),
      where(std::move(where_in)) {
  text_ = where.empty() ? message : where + ": " + message;
  if (!hint.empty()) text_ += " (" + hint + ")";
}

Errors::Errors(std::vector<Error> all_in)
    : Error(all_in.empty() ? ErrorCode::kInvalid : all_in.front().code, join(all_in)),
      all(std::move(all_in)) {}

}  // namespace lockstep
