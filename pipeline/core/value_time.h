// Dates, times and datetimes as text, to and from their canonical payloads (value.h).
// Knows nothing of clocks or of the current time; the calendar is the proleptic Gregorian one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep {

// Payload, or nothing where the text is not one. The zero date "0000-00-00" that MySQL and
// MariaDB can hold is taken as it is.
std::optional<std::string> date_payload(std::string_view text);

// "[-]H:MM[:SS[.ffffff]]", hours without an upper bound of 23 (MySQL's TIME is a duration).
std::optional<std::string> time_payload(std::string_view text);

// "YYYY-MM-DD", 'T' or one space, "HH:MM[:SS[.ffffff]]", then nothing (taken as UTC), "Z" or an
// offset "+02:00", "+0200", "+02", which is subtracted.
std::optional<std::string> datetime_payload(std::string_view text);

// Days since 1970-01-01 of a date's payload, microseconds since then of a datetime's. Nothing for
// the zero date, which is no day.
std::optional<int64_t> days_of(std::string_view date_payload);
std::optional<int64_t> micros_of(std::string_view datetime_payload);
// And back; nothing outside the years 0 to 9999.
std::optional<std::string> date_of(int64_t days);
std::optional<std::string> datetime_of(int64_t micros);

// "HH:MM:SS", with the fraction where there is one.
std::string time_text(std::string_view payload);

}  // namespace lockstep
