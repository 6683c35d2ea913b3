// Servers that a killed process left behind.
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "connectors/dolt/own_server.h"
#include "pipeline/base/fd.h"

namespace lockstep {
namespace {

constexpr int kEnds_ms = 5'000;

std::string command_line(const std::string& pid) {
  const Fd file(open(("/proc/" + pid + "/cmdline").c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(8192, '\0');
  const ssize_t n = file.open() ? read(file.get(), text.data(), text.size()) : -1;
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

// PROGRAM\0sql-server\0--config\0SETTINGS\0
bool serves(const std::string& command, const std::filesystem::path& settings) {
  const std::string rest = std::string("sql-server\0--config\0", 20) + settings.string() + '\0';
  const size_t first = command.find('\0');
  return first != command.npos && command.compare(first + 1, command.npos, rest) == 0;
}

}  // namespace

int end_servers_with(const std::filesystem::path& settings) {
  int ended = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string pid = entry.path().filename().string();
    if (pid.find_first_not_of("0123456789") != pid.npos) continue;
    if (!serves(command_line(pid), settings)) continue;
    // From here on the handle means one process, whatever becomes of its number.
    const Fd handle(static_cast<int>(syscall(SYS_pidfd_open, std::stoi(pid), 0)));
    if (!handle.open() || !serves(command_line(pid), settings)) continue;
    if (syscall(SYS_pidfd_send_signal, handle.get(), SIGKILL, nullptr, 0) != 0) continue;
    pollfd gone{handle.get(), POLLIN, 0};
    poll(&gone, 1, kEnds_ms);
    ++ended;
  }
  return ended;
}

}  // namespace lockstep
