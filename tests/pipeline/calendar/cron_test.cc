#include "pipeline/calendar/cron.h"

#include "pipeline/base/clock.h"
#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

// The ticks after a time, as text in UTC.
std::vector<std::string> ticks(const std::string& cron, const std::string& zone,
                               const std::string& after, size_t how_many) {
  CronSchedule schedule(cron, zone);
  std::vector<std::string> out;
  std::optional<int64_t> at = parse_time(after);
  while (out.size() < how_many && (at = schedule.next(*at))) {
    out.push_back(rfc3339(*at).substr(0, 16));
  }
  return out;
}

using Ticks = std::vector<std::string>;

std::string problem(const std::string& cron, const std::string& zone = "UTC") {
  try {
    CronSchedule schedule(cron, zone);
  } catch (const Error& error) {
    return error.message;
  }
  return "";
}

}  // namespace

TEST_CASE("fields, lists, ranges, steps and names") {
  const std::string at = "2026-11-22T10:07:30Z";  // a Sunday
  CHECK(ticks("0 3 * * *", "UTC", at, 2) == Ticks{"2026-11-23T03:00", "2026-11-24T03:00"});
  CHECK(ticks("*/20 * * * *", "UTC", at, 3) ==
        Ticks{"2026-11-22T10:20", "2026-11-22T10:40", "2026-11-22T11:00"});
  CHECK(ticks("5,50-52 10 * * *", "UTC", at, 4) ==
        Ticks{"2026-11-22T10:50", "2026-11-22T10:51", "2026-11-22T10:52", "2026-11-23T10:05"});
  CHECK(ticks("7 10 * * *", "UTC", at, 1) == Ticks{"2026-11-23T10:07"});  // this minute is over
  CHECK(ticks("0 9 * * mon-fri", "UTC", at, 1) == Ticks{"2026-11-23T09:00"});
  CHECK(ticks("0 9 * * 7", "UTC", at, 1) == Ticks{"2026-11-29T09:00"});
  CHECK(ticks("0 9 * * 0", "UTC", at, 1) == Ticks{"2026-11-29T09:00"});
  CHECK(ticks("0 0 1 Jan *", "UTC", at, 1) == Ticks{"2027-01-01T00:00"});
  CHECK(ticks("0 0 29 2 *", "UTC", at, 2) == Ticks{"2028-02-29T00:00", "2032-02-29T00:00"});
  CHECK(ticks("10/20 * * * *", "UTC", at, 3) ==
        Ticks{"2026-11-22T10:10", "2026-11-22T10:30", "2026-11-22T10:50"});
  CHECK(ticks("0 0 30 2 *", "UTC", at, 1).empty());
  // Either day where both are restricted.
  CHECK(ticks("0 0 24 * sun", "UTC", at, 3) ==
        Ticks{"2026-11-24T00:00", "2026-11-29T00:00", "2026-12-06T00:00"});
}

TEST_CASE("a time that the zone skips is due after the gap, once") {
  // Berlin, 2026-03-29: 02:00 becomes 03:00, which is 01:00 UTC.
  CHECK(ticks("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3) ==
        Ticks{"2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"});
  CHECK(ticks("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:20:00Z", 3) ==
        Ticks{"2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"});
}

TEST_CASE("a time that comes twice is due the first time; every half hour goes on") {
  // Berlin, 2026-10-25: 03:00 becomes 02:00 again, at 01:00 UTC.
  CHECK(ticks("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2) ==
        Ticks{"2026-10-25T00:30", "2026-10-26T01:30"});
  CHECK(ticks("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", 5) ==
        Ticks{"2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30",
              "2026-10-25T02:00"});
}

TEST_CASE("zones of the south, of odd offsets, and a day that was left out") {
  CHECK(ticks("0 3 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", 2) ==
        Ticks{"2026-04-04T16:30", "2026-04-05T16:30"});
  CHECK(ticks("15 0 * * *", "Asia/Kathmandu", "2026-01-01T00:00:00Z", 1) ==
        Ticks{"2026-01-01T18:30"});
  // Samoa had no 30 December 2011.
  CHECK(ticks("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", 3) ==
        Ticks{"2011-12-29T22:00", "2011-12-30T10:00", "2011-12-30T22:00"});
}

TEST_CASE("ticks that were missed are counted, up to a bound") {
  CronSchedule hourly("0 * * * *", "UTC");
  int64_t from = parse_time("2026-11-22T10:00:00Z"), day = 86'400'000;
  CHECK(hourly.count(from, from, 100) == 0);
  CHECK(hourly.count(from, from + day, 100) == 24);
  CHECK(hourly.count(from, from + 365 * day, 100) == 100);
}

TEST_CASE("what is no schedule is refused with the field") {
  CHECK(problem("0 3 * * *").empty());
  for (const char* bad : {"",
                          "* * * *",
                          "* * * * * *",
                          "@daily",
                          "60 * * * *",
                          "* 24 * * *",
                          "* * 0 * *",
                          "* * 32 * *",
                          "* * * 13 *",
                          "* * * * 8",
                          "-1 * * * *",
                          "5-1 * * * *",
                          "*/0 * * * *",
                          "1, * * * *",
                          "a * * * *",
                          "1.5 * * * *",
                          "* * * foo *",
                          "1-2-3 * * * *",
                          "*/1/2 * * * *",
                          "1000 * * * *"}) {
    CAPTURE(bad);
    CHECK_FALSE(problem(bad).empty());
  }
  CHECK(problem("0 25 * * *").find("hour") != std::string::npos);
  for (const char* zone : {"", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "file:/x"}) {
    CAPTURE(zone);
    CHECK(problem("0 3 * * *", zone).find("time zone") != std::string::npos);
  }
}
