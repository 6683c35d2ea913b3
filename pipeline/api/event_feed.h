// The newest events in memory, for all who follow them at once; older ones are in the store.
// Knows nothing of connections or of what the events say.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "pipeline/core/store.h"

namespace lockstep {

// An event as it is sent: "id: 12\nevent: run\ndata: {…}\n\n" (WHATWG HTML, "Server-sent events").
std::string event_text(const Event& event);

// Safe from several threads.
class EventFeed {
 public:
  explicit EventFeed(size_t most = 4096) : most_(most) {}

  // The newest event so far; before anything is published.
  void begin(int64_t last);
  // Follow the last ones without a gap, and are durable already.
  void publish(const std::vector<Event>& events);
  // Called after each publish(), from its thread.
  void on_news(std::function<void()> tell);
  int64_t last() const;

  struct Piece {
    std::shared_ptr<const std::string> text;  // null: nothing is newer
    int64_t cursor = 0;                       // of its last event
    bool behind = false;                      // what comes next is not in memory any more
  };
  // What comes behind `cursor`, about 64 KiB at most. Who asks the same gets the same bytes.
  Piece after(int64_t cursor);

 private:
  const size_t most_;
  mutable std::mutex mutex_;
  std::deque<Event> events_;
  int64_t last_ = 0;
  int64_t asked_ = -1;  // the cursor that `answer_` is for
  Piece answer_;
  std::function<void()> tell_;
};

}  // namespace lockstep
