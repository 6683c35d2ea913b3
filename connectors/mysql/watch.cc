#include "connectors/mysql/watch.h"

#include <sys/timerfd.h>

#include <algorithm>

#include "pipeline/base/error.h"

namespace lockstep {

MysqlWatch::MysqlWatch(int64_t every_ms)
    : fd_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  every_ms = std::max<int64_t>(every_ms, 100);
  itimerspec times{};
  times.it_interval.tv_sec = every_ms / 1000;
  times.it_interval.tv_nsec = every_ms % 1000 * 1'000'000;
  times.it_value = times.it_interval;
  if (!fd_.open() || timerfd_settime(fd_.get(), 0, &times, nullptr) != 0) {
    throw Error(ErrorCode::kUnavailable, "no timer to be had");
  }
}

bool MysqlWatch::take() {
  uint64_t ticks = 0;
  return read(fd_.get(), &ticks, sizeof ticks) > 0;
}

}  // namespace lockstep
