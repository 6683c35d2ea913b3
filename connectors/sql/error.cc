#include "connectors/sql/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr int kFirstClientError = 2000, kLastClientError = 2999;
// Said by the server, said by the library.
constexpr int kPacketRefused = 1153, kPacketTooLarge = 2020;
constexpr int kTlsFailed = 2026, kPluginFailed = 2059, kParseError = 1064;
constexpr size_t kMostShown_bytes = 600;

template <size_t N>
bool among(const std::array<int, N>& numbers, int number) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

constexpr std::array kDenied = {1044, 1045, 1130, 1142, 1143, 1227, 1290, 1370, 1410, 1698, 1820};
constexpr std::array kNotFound = {1049, 1054, 1146, 1051, 1109};
constexpr std::array kClash = {1205, 1213, 3101};
// Too many connections, shutting down, network trouble, killed, interrupted, time-outs.
constexpr std::array kAway = {1040, 1053, 1077, 1152, 1158, 1159, 1160, 1161,
                              1184, 1203, 1226, 1317, 1927, 1969, 3024};

// Dolt ends sessions with a general error.
bool collected(std::string_view answer) {
  return answer.find("online garbage collection") != answer.npos;
}

std::string hint_for(int number, ErrorCode code) {
  if (number == kPacketTooLarge) return "a row may have 256 MiB, a cell 64 MiB";
  if (number == kPacketRefused) return "the server's max_allowed_packet is too small for it";
  if (number == kTlsFailed) return "is ca-file the authority that signed the server's certificate?";
  if (code == ErrorCode::kUnavailable) return "is the server up, and is its place right?";
  if (number == 1045 || number == 1698) return "look at the source's credentials";
  if (code == ErrorCode::kDenied) return "grant it to the user, or name another user";
  return "";
}

}  // namespace

ErrorCode sql_error_code(int number, std::string_view state, std::string_view answer) {
  if (number == kTlsFailed || number == kPluginFailed || among(kDenied, number)) {
    return ErrorCode::kDenied;
  }
  if (number == kPacketRefused || number == kPacketTooLarge) return ErrorCode::kInvalid;
  if (number >= kFirstClientError && number <= kLastClientError) return ErrorCode::kUnavailable;
  if (among(kAway, number) || state.substr(0, 2) == "08" || collected(answer)) {
    return ErrorCode::kUnavailable;
  }
  if (among(kClash, number) || state == "40001") return ErrorCode::kConflict;
  if (among(kNotFound, number)) return ErrorCode::kNotFound;
  if (number != kParseError && answer.find("access denied") != answer.npos) {
    return ErrorCode::kDenied;  // Dolt answers this one as a general error
  }
  return ErrorCode::kInvalid;
}

SqlError::SqlError(int error_number, std::string sql_state, std::string_view answer,
                   const std::string& server)
    : Error(sql_error_code(error_number, sql_state, answer),
            fmt::format("{}: {} ({})", server, printable(answer, kMostShown_bytes), error_number),
            hint_for(error_number, sql_error_code(error_number, sql_state, answer))),
      number(error_number),
      state(std::move(sql_state)) {}

bool SqlError::fatal() const {
  return (number >= kFirstClientError && number <= kLastClientError) || among(kAway, number) ||
         number == kPacketRefused || state.substr(0, 2) == "08" || collected(message);
}

bool SqlError::too_large() const {
  return number == kPacketRefused || number == kPacketTooLarge;
}

bool SqlError::clash() const {
  return among(kClash, number) || state == "40001";
}

}  // namespace lockstep
