#include "pipeline/engine/inbox.h"

#include <chrono>
#include <iterator>

namespace lockstep {

void Inbox::push(Message message) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    messages_.push_back(std::move(message));
  }
  changed_.notify_one();
}

size_t Inbox::size() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return messages_.size();
}

void Inbox::wait(int64_t wait_ms) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(wait_ms), [&] { return !messages_.empty(); });
}

std::vector<Message> Inbox::drain(int64_t wait_ms) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(wait_ms), [&] { return !messages_.empty(); });
  std::vector<Message> all(std::make_move_iterator(messages_.begin()),
                           std::make_move_iterator(messages_.end()));
  messages_.clear();
  return all;
}

}  // namespace lockstep
