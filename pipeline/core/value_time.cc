#include "pipeline/core/value_time.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

namespace lockstep {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kDay = 24 * kHour;
constexpr std::string_view kZeroDate = "0000-00-00";

// Takes exactly `count` digits from the front of `text`.
std::optional<int> take_digits(std::string_view& text, size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (char c : text.substr(0, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

// ".ffffff" in microseconds; further digits must be zeros. No fraction is 0.
std::optional<int64_t> take_fraction(std::string_view& text) {
  if (!take(text, '.')) return 0;
  int64_t value = 0;
  size_t count = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1)) {
    const int digit = text.front() - '0';
    if (count < 6) value = value * 10 + digit;
    if (count >= 6 && digit != 0) return std::nullopt;
    ++count;
  }
  if (count == 0) return std::nullopt;
  for (; count < 6; ++count) value *= 10;
  return value;
}

// "MM[:SS[.f]]" after the hours and their colon, in microseconds.
std::optional<int64_t> take_minutes(std::string_view& text) {
  const auto minutes = take_digits(text, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  int64_t micros = *minutes * kMinute;
  if (!take(text, ':')) return micros;
  const auto seconds = take_digits(text, 2);
  if (!seconds || *seconds > 59) return std::nullopt;
  const auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  return micros + *seconds * kSecond + *fraction;
}

// Days since 1970-01-01, and back: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
int64_t days_from_civil(int64_t year, int month, int day) {
  year -= month <= 2;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t of_era = year - era * 400;
  const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

std::string civil_text(int64_t days) {
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const int64_t of_era = days - era * 146097;
  const int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  const int64_t shifted = (5 * of_year + 2) / 153;
  const int64_t day = of_year - (153 * shifted + 2) / 5 + 1;
  const int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  return fmt::format("{:04}-{:02}-{:02}", year + era * 400 + (month <= 2), month, day);
}

// Takes "YYYY-MM-DD" as days since 1970-01-01.
std::optional<int64_t> take_date(std::string_view& text) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || *month < 1 || *month > 12 || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  const bool leap = (*year % 4 == 0 && *year % 100 != 0) || *year % 400 == 0;
  const int last = *month == 2 && leap ? 29 : kDays[*month - 1];
  if (!day || *day < 1 || *day > last) return std::nullopt;
  return days_from_civil(*year, *month, *day);
}

// Takes what follows the time: microseconds east of UTC.
std::optional<int64_t> take_offset(std::string_view text) {
  if (text.empty() || text == "Z" || text == "z") return 0;
  const bool west = text.front() == '-';
  if (!west && text.front() != '+') return std::nullopt;
  text.remove_prefix(1);
  const auto hours = take_digits(text, 2);
  if (!hours || *hours > 23) return std::nullopt;
  int minutes = 0;
  if (!text.empty()) {
    take(text, ':');
    const auto read = take_digits(text, 2);
    if (!read || *read > 59 || !text.empty()) return std::nullopt;
    minutes = *read;
  }
  const int64_t east = *hours * kHour + minutes * kMinute;
  return west ? -east : east;
}

std::string clock_text(int64_t micros) {
  return fmt::format("{:02}:{:02}:{:02}", micros / kHour, micros / kMinute % 60,
                     micros / kSecond % 60);
}

}  // namespace

std::optional<std::string> date_payload(std::string_view text) {
  if (text == kZeroDate) return std::string(kZeroDate);
  std::string_view rest = text;
  if (!take_date(rest) || !rest.empty()) return std::nullopt;
  return std::string(text);
}

std::optional<std::string> time_payload(std::string_view text) {
  const bool negative = take(text, '-');
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  if (digits == 0 || digits > 6) return std::nullopt;
  const int64_t hours = *take_digits(text, digits);
  if (!take(text, ':')) return std::nullopt;
  const auto rest = take_minutes(text);
  if (!rest || !text.empty()) return std::nullopt;
  const int64_t micros = hours * kHour + *rest;
  return std::to_string(negative ? -micros : micros);
}

std::optional<std::string> datetime_payload(std::string_view text) {
  int64_t days = 0;
  const bool zero = text.substr(0, kZeroDate.size()) == kZeroDate;
  if (zero) {
    text.remove_prefix(kZeroDate.size());
  } else {
    const auto read = take_date(text);
    if (!read) return std::nullopt;
    days = *read;
  }
  if (!take(text, 'T') && !take(text, 't') && !take(text, ' ')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  if (!hours || *hours > 23 || !take(text, ':')) return std::nullopt;
  const auto minutes = take_minutes(text);
  if (!minutes) return std::nullopt;
  const auto east = take_offset(text);
  if (!east || (zero && *east != 0)) return std::nullopt;

  int64_t micros = *hours * kHour + *minutes - *east;
  const int64_t carry = micros < 0 ? -1 : micros / kDay;
  days += carry;
  micros -= carry * kDay;
  const std::optional<std::string> date = zero ? std::string(kZeroDate) : date_of(days);
  if (!date) return std::nullopt;
  return fmt::format("{}T{}.{:06}", *date, clock_text(micros), micros % kSecond);
}

std::optional<int64_t> days_of(std::string_view date_payload) {
  const auto days = take_date(date_payload);
  return days && date_payload.empty() ? days : std::nullopt;
}

std::optional<int64_t> micros_of(std::string_view datetime_payload) {
  const auto days = take_date(datetime_payload);
  if (!days || !take(datetime_payload, 'T')) return std::nullopt;
  const auto hours = take_digits(datetime_payload, 2);
  if (!hours || *hours > 23 || !take(datetime_payload, ':')) return std::nullopt;
  const auto minutes = take_minutes(datetime_payload);
  if (!minutes || !datetime_payload.empty()) return std::nullopt;
  return *days * kDay + *hours * kHour + *minutes;
}

std::optional<std::string> date_of(int64_t days) {
  static const int64_t first_day = days_from_civil(0, 1, 1);
  static const int64_t last_day = days_from_civil(9999, 12, 31);
  if (days < first_day || days > last_day) return std::nullopt;
  return civil_text(days);
}

std::optional<std::string> datetime_of(int64_t micros) {
  int64_t days = micros / kDay, rest = micros % kDay;
  if (rest < 0) --days, rest += kDay;
  auto date = date_of(days);
  if (!date) return std::nullopt;
  return fmt::format("{}T{}.{:06}", *date, clock_text(rest), rest % kSecond);
}

std::string time_text(std::string_view payload) {
  int64_t micros = 0;
  std::from_chars(payload.data(), payload.data() + payload.size(), micros);
  std::string text = micros < 0 ? "-" : "";
  if (micros < 0) micros = -micros;
  text += clock_text(micros);
  if (micros % kSecond) {
    text += fmt::format(".{:06}", micros % kSecond);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text;
}

}  // namespace lockstep
