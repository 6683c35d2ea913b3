#include "pipeline/base/clock.h"

#include <fmt/format.h>

#include <cctype>
#include <cstdio>
#include <ctime>

#include "pipeline/base/error.h"

namespace lockstep {

std::string rfc3339(int64_t time_ms) {
  int64_t millis = ((time_ms % 1000) + 1000) % 1000;
  time_t seconds = static_cast<time_t>((time_ms - millis) / 1000);
  tm t{};
  gmtime_r(&seconds, &t);
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", t.tm_year + 1900,
                                 t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
  return text + (millis ? fmt::format(".{:03}Z", millis) : "Z");
}

namespace {

// Reads exactly `count` digits at `at`; -1 where there are none.
int digits(std::string_view text, size_t at, size_t count) {
  int value = 0;
  if (at + count > text.size()) return -1;
  for (size_t i = at; i < at + count; ++i) {
    if (!std::isdigit(static_cast<unsigned char>(text[i]))) return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

// Minutes east of UTC of "Z", "" or "+02:00"; throws by returning false.
bool zone_minutes(std::string_view rest, int* minutes) {
  *minutes = 0;
  if (rest.empty() || rest == "Z" || rest == "z") return true;
  if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':') return false;
  int hours = digits(rest, 1, 2), mins = digits(rest, 4, 2);
  if (hours < 0 || hours > 23 || mins < 0 || mins > 59) return false;
  *minutes = (rest[0] == '-' ? -1 : 1) * (hours * 60 + mins);
  return true;
}

}  // namespace

int64_t parse_time(std::string_view text) {
  Error bad(ErrorCode::kInvalid, "not a time: " + std::string(text.substr(0, 60)),
            "write it as 2026-03-03T14:00:00Z, 2026-03-03 14:00 or 2026-03-03");
  tm t{};
  int month = digits(text, 5, 2);
  t.tm_year = digits(text, 0, 4) - 1900;
  t.tm_mon = month - 1;
  t.tm_mday = digits(text, 8, 2);
  if (t.tm_year < -1900 || month < 1 || month > 12 || t.tm_mday < 1 || t.tm_mday > 31) throw bad;
  if (text[4] != '-' || text[7] != '-') throw bad;
  std::string_view rest = text.substr(10);
  int64_t millis = 0;
  if (!rest.empty()) {
    t.tm_hour = digits(rest, 1, 2);
    t.tm_min = digits(rest, 4, 2);
    bool good = (rest[0] == 'T' || rest[0] == 't' || rest[0] == ' ') && t.tm_hour >= 0 &&
                t.tm_hour < 24 && rest.size() >= 6 && rest[3] == ':' && t.tm_min >= 0 &&
                t.tm_min < 60;
    if (!good) throw bad;
    rest.remove_prefix(6);
    if (!rest.empty() && rest[0] == ':') {
      t.tm_sec = digits(rest, 1, 2);
      if (t.tm_sec < 0 || t.tm_sec > 60) throw bad;
      rest.remove_prefix(3);
      if (!rest.empty() && rest[0] == '.') {
        size_t n = 1;
        for (int64_t unit = 100; n < rest.size() && std::isdigit((unsigned char)rest[n]); ++n) {
          millis += (rest[n] - '0') * unit;
          unit /= 10;
        }
        rest.remove_prefix(n);
      }
    }
  }
  int zone = 0;
  if (!zone_minutes(rest, &zone)) throw bad;
  const int day = t.tm_mday;
  const bool leap_second = t.tm_sec == 60;
  const auto seconds = static_cast<int64_t>(timegm(&t));  // brings 31 February into March
  if (t.tm_mday != day && !leap_second) throw bad;
  return (seconds - zone * 60) * 1000 + millis;
}

}  // namespace lockstep
