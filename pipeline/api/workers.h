// A few threads that run what may block, made as needed up to a cap; the rest waits in line.
// Knows nothing of requests.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace lockstep {

class Workers {
 public:
  explicit Workers(size_t cap) : cap_(cap) {}
  ~Workers() { stop(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // `work` must not throw. Dropped once stop() was called.
  void post(std::function<void()> work);
  // Drops what waits and joins what runs. May be called again.
  void stop();

 private:
  void loop();

  const size_t cap_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
  size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace lockstep
