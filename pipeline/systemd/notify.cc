#include "pipeline/systemd/notify.h"

#include <systemd/sd-daemon.h>
#include <time.h>

#include "pipeline/base/text.h"

namespace lockstep {
namespace {

uint64_t monotonic_us() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

// In `status` a line feed would begin another assignment.
void tell(const std::string& state, const std::string& status) {
  sd_notify(0, (state + "STATUS=" + printable(status, 500)).c_str());
}

}  // namespace

void notify_ready(const std::string& status) {
  tell("READY=1\n", status);
}

void notify_reloading(const std::string& status) {
  tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_us()) + "\n", status);
}

void notify_stopping(const std::string& status) {
  tell("STOPPING=1\n", status);
}

void notify_status(const std::string& status) {
  tell("", status);
}

Watchdog::Watchdog() {
  uint64_t limit_us = 0;
  if (sd_watchdog_enabled(0, &limit_us) > 0) every_us_ = limit_us / 2;
}

void Watchdog::alive() {
  if (every_us_ == 0) return;
  const uint64_t now_us = monotonic_us();
  if (last_us_ != 0 && now_us - last_us_ < every_us_) return;
  last_us_ = now_us;
  sd_notify(0, "WATCHDOG=1");
}

int64_t Watchdog::patience_ms() const {
  return every_us_ == 0 ? -1 : static_cast<int64_t>(every_us_ / 2000);
}

}  // namespace lockstep
