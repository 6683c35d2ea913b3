#include "pipeline/calendar/cron.h"

#include <absl/time/civil_time.h>
#include <absl/time/time.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr int kMostDays = 8 * 366;  // a 29 February is never further away

const std::vector<std::string_view> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                               "jul", "aug", "sep", "oct", "nov", "dec"};
const std::vector<std::string_view> kWeekdays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Field {
  std::string_view name;
  int min, max;
  const std::vector<std::string_view>* words = nullptr;  // the first one means `min`
};

Error wrong(const Field& field, std::string_view text) {
  return Error(
      ErrorCode::kInvalid,
      "the " + std::string(field.name) +
          " of the schedule can't be read: " + printable(std::string(text), 40),
      "five fields: minute, hour, day of the month, month, day of the week, as `0 3 * * 1-5`");
}

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> out;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find(by, begin), text.size());
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

int number(const Field& field, std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (field.words) {
    auto word = std::find(field.words->begin(), field.words->end(), lower);
    if (word != field.words->end()) {
      return field.min + static_cast<int>(word - field.words->begin());
    }
  }
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool good = error == std::errc() && end == text.data() + text.size() && text.size() <= 3;
  if (!good || value < field.min || value > field.max) throw wrong(field, text);
  return value;
}

// "1,5-9,*/15" into `set`. True where it begins with `*`: no restriction, perhaps with a step.
template <size_t N>
bool read_field(const Field& field, std::string_view text, std::bitset<N>& set) {
  for (std::string_view part : split(text, ',')) {
    size_t slash = part.find('/');
    std::string_view range = part.substr(0, slash);
    size_t dash = range.find('-');
    int from = field.min, to = field.max, step = 1;
    if (range != "*") {
      from = number(field, range.substr(0, dash));
      to = dash == range.npos ? from : number(field, range.substr(dash + 1));
      if (dash == range.npos && slash != part.npos) to = field.max;
    }
    if (slash != part.npos) {
      step = number({field.name, 1, field.max, nullptr}, part.substr(slash + 1));
    }
    if (from > to) throw wrong(field, part);
    for (int value = from; value <= to; value += step) set.set(static_cast<size_t>(value));
  }
  return text.front() == '*';
}

}  // namespace

struct CronSchedule::Zone {
  absl::TimeZone zone;
};

CronSchedule::CronSchedule(std::string_view expression, const std::string& zone_name)
    : zone_(std::make_unique<Zone>()) {
  bool odd = zone_name.empty() || zone_name.size() > 64 || zone_name.front() == '/' ||
             zone_name.find("..") != zone_name.npos || zone_name.find(':') != zone_name.npos;
  if (odd || !absl::LoadTimeZone(zone_name, &zone_->zone)) {
    throw Error(ErrorCode::kInvalid, "there is no time zone " + printable(zone_name, 64),
                "a name of the tz database, as Europe/Berlin or UTC");
  }
  std::vector<std::string_view> fields;
  for (std::string_view field : split(expression, ' ')) {
    if (!field.empty()) fields.push_back(field);
  }
  if (fields.size() != 5) throw wrong({"number of fields", 0, 0, nullptr}, expression);
  read_field({"minute", 0, 59, nullptr}, fields[0], minutes_);
  any_hour_ = read_field({"hour", 0, 23, nullptr}, fields[1], hours_);
  any_day_ = read_field({"day of the month", 1, 31, nullptr}, fields[2], days_);
  read_field({"month", 1, 12, &kMonths}, fields[3], months_);
  any_weekday_ = read_field({"day of the week", 0, 7, &kWeekdays}, fields[4], weekdays_);
  if (weekdays_[7]) weekdays_.set(0);
}

CronSchedule::~CronSchedule() = default;
CronSchedule::CronSchedule(CronSchedule&&) noexcept = default;
CronSchedule& CronSchedule::operator=(CronSchedule&&) noexcept = default;

bool CronSchedule::day_fits(int month, int day, int weekday) const {
  if (!months_[static_cast<size_t>(month)]) return false;
  bool by_day = days_[static_cast<size_t>(day)];
  bool by_weekday = weekdays_[static_cast<size_t>(weekday)];
  if (any_day_ || any_weekday_) return by_day && by_weekday;
  return by_day || by_weekday;
}

std::optional<int64_t> CronSchedule::next_on_day(int year, int month, int day,
                                                 int64_t after_s) const {
  std::optional<int64_t> best;
  auto offer = [&](absl::Time time) {
    int64_t at = absl::ToUnixSeconds(time);
    if (at > after_s && (!best || at < *best)) best = at;
  };
  for (size_t hour = 0; hour < hours_.size(); ++hour) {
    for (size_t minute = 0; hours_[hour] && minute < minutes_.size(); ++minute) {
      if (!minutes_[minute]) continue;
      absl::CivilSecond civil(year, month, day, static_cast<int>(hour), static_cast<int>(minute));
      absl::TimeZone::TimeInfo at = zone_->zone.At(civil);
      if (at.kind == absl::TimeZone::TimeInfo::SKIPPED) {
        offer(at.trans);
        continue;
      }
      offer(at.pre);
      if (at.kind == absl::TimeZone::TimeInfo::REPEATED && any_hour_) offer(at.post);
    }
  }
  return best;
}

std::optional<int64_t> CronSchedule::next(int64_t after_ms) const {
  int64_t after_s = after_ms >= 0 ? after_ms / 1000 : (after_ms - 999) / 1000;
  absl::CivilDay day(zone_->zone.At(absl::FromUnixSeconds(after_s)).cs);
  for (int tried = 0; tried < kMostDays; ++tried, ++day) {
    // absl counts from Monday, crontab from Sunday.
    int weekday = (static_cast<int>(absl::GetWeekday(day)) + 1) % 7;
    if (!day_fits(day.month(), day.day(), weekday)) continue;
    std::optional<int64_t> found =
        next_on_day(static_cast<int>(day.year()), day.month(), day.day(), after_s);
    if (found) return *found * 1000;
  }
  return std::nullopt;
}

size_t CronSchedule::count(int64_t after_ms, int64_t until_ms, size_t most) const {
  size_t found = 0;
  std::optional<int64_t> at = next(after_ms);
  for (; at && *at <= until_ms && found < most; at = next(*at)) ++found;
  return found;
}

}  // namespace lockstep
