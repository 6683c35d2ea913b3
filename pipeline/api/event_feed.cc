#include "pipeline/api/event_feed.h"

namespace lockstep {

std::string event_text(const Event& event) {
  return "id: " + std::to_string(event.id) + "\nevent: " + event.kind + "\ndata: " + event.data +
         "\n\n";
}

void EventFeed::begin(int64_t last) {
  std::lock_guard<std::mutex> lock(mutex_);
  last_ = last;
  events_.clear();
  asked_ = -1;
}

void EventFeed::publish(const std::vector<Event>& events) {
  if (events.empty()) return;
  std::function<void()> tell;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const Event& event : events) events_.push_back(event);
    while (events_.size() > most_) events_.pop_front();
    last_ = events.back().id;
    asked_ = -1;
    tell = tell_;
  }
  if (tell) tell();
}

void EventFeed::on_news(std::function<void()> tell) {
  std::lock_guard<std::mutex> lock(mutex_);
  tell_ = std::move(tell);
}

int64_t EventFeed::last() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return last_;
}

EventFeed::Piece EventFeed::after(int64_t cursor) {
  constexpr size_t kPiece_bytes = 64 << 10;
  std::lock_guard<std::mutex> lock(mutex_);
  if (cursor >= last_) return {nullptr, cursor, false};
  if (asked_ == cursor) return answer_;
  const int64_t first = last_ - static_cast<int64_t>(events_.size()) + 1;
  if (cursor + 1 < first) return {nullptr, cursor, true};
  asked_ = cursor;
  std::string text;
  for (size_t i = static_cast<size_t>(cursor + 1 - first); i < events_.size(); ++i) {
    text += event_text(events_[i]);
    cursor = events_[i].id;
    if (text.size() >= kPiece_bytes) break;
  }
  answer_ = {std::make_shared<const std::string>(std::move(text)), cursor, false};
  return answer_;
}

}  // namespace lockstep
