// Waiting for what other processes and threads bring about.
// Knows nothing of whose they are.
#pragma once

#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>

namespace lockstep {

inline bool eventually(const std::function<bool()>& holds,
                       std::chrono::milliseconds patience = std::chrono::seconds(20)) {
  auto deadline = std::chrono::steady_clock::now() + patience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

// A zombie counts as gone: whoever is to reap it may take its time.
inline bool process_gone(pid_t pid) {
  waitpid(pid, nullptr, WNOHANG);
  if (kill(pid, 0) != 0) return true;
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  size_t name_end = text.rfind(')');
  return name_end == text.npos || text.substr(name_end, 3) == ") Z";
}

}  // namespace lockstep
