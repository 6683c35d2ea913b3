// When a cron expression is due, in a time zone with its daylight saving.
// Knows nothing of what is due, and reads no clock.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep {

// Five fields as in POSIX crontab(5): minute 0-59, hour 0-23, day of the month 1-31, month 1-12 or
// jan-dec, day of the week 0-7 or sun-sat (0 and 7: Sunday); each `*`, a list of numbers and
// ranges, with `/STEP`. Where both days are restricted either will do, as crontab has it.
//
// Daylight saving: a time that a zone skips is due at the first instant after the gap; one that
// comes twice is due the first time, but where the hour is `*` (or `*/STEP`) both times, so that
// "every five minutes" goes on. Zones are those of the machine's tz database (IANA names).
class CronSchedule {
 public:
  // Throws invalid, naming the field or the zone.
  CronSchedule(std::string_view expression, const std::string& zone);
  ~CronSchedule();
  CronSchedule(CronSchedule&&) noexcept;
  CronSchedule& operator=(CronSchedule&&) noexcept;

  // The first tick after this time (Unix, milliseconds); nothing: none within eight years.
  std::optional<int64_t> next(int64_t after_ms) const;
  // How many ticks lie in (after, until], at most `most`.
  size_t count(int64_t after_ms, int64_t until_ms, size_t most) const;

 private:
  struct Zone;
  bool day_fits(int month, int day, int weekday) const;
  std::optional<int64_t> next_on_day(int year, int month, int day, int64_t after_s) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<8> weekdays_;
  bool any_hour_ = false, any_day_ = false, any_weekday_ = false;
  std::unique_ptr<Zone> zone_;
};

}  // namespace lockstep
