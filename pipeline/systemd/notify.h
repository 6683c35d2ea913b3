// What a service tells systemd: ready, reloading, stopping, how it does, and that it is alive
// (sd_notify(3)). Without a NOTIFY_SOCKET everything here does nothing.
// Knows nothing of what the service does.
#pragma once

#include <cstdint>
#include <string>

namespace lockstep {

void notify_ready(const std::string& status);
// Until the next notify_ready(); Type=notify-reload wants the time, which is the monotonic clock's.
void notify_reloading(const std::string& status);
void notify_stopping(const std::string& status);
// Shown by `systemctl status`; one line, control characters become '?'.
void notify_status(const std::string& status);

// The pings that systemd's watchdog waits for. To be called by the loop that does the work, each
// time around: a loop that hangs sends none.
class Watchdog {
 public:
  // Reads WATCHDOG_USEC; off where the watchdog is.
  Watchdog();
  // Sends a ping where half of the time is over since the last.
  void alive();
  // The longest that the loop may wait for something, in ms; -1: as long as it likes.
  int64_t patience_ms() const;

 private:
  uint64_t every_us_ = 0;  // 0: off
  uint64_t last_us_ = 0;
};

}  // namespace lockstep
