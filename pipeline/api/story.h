// What one follower is told, in parts: the events of the workspace, or the log of an attempt, each
// with the id from which it can be resumed. Knows nothing of connections or HTTP.
#pragma once

#include <memory>
#include <string>

#include "pipeline/api/backend.h"
#include "pipeline/api/event_feed.h"
#include "pipeline/api/wire.h"

namespace lockstep {

// Used by one thread at a time.
class Story {
 public:
  struct Part {
    std::string text;    // server-sent events, whole ones
    bool end = false;    // nothing comes behind it
    bool fetch = false;  // ask fetch()
  };
  virtual ~Story() = default;
  // What is at hand: never waits.
  virtual Part next() = 0;
  // May ask the store or the runner. Throws what a route throws.
  virtual Part fetch() = 0;
  // When to ask again though nobody tells of news; 0: only then.
  virtual int64_t pause_ms() const = 0;
};

// From behind `last_id`, else `after` of the query, else from now on. An id that is no longer kept,
// or was never given, is answered with one event `reset`. Who was up to date and then reads so
// slowly that what comes next is not in memory any more is let go with an event `dropped`. Throws
// invalid.
std::unique_ptr<Story> event_story(EventFeed& feed, Backend& backend, const ApiRequest& request,
                                   const std::string& last_id);
// The log of a step's newest attempt, from `last_id` ("ATTEMPT:OFFSET") or the query's `offset` on,
// until the attempt is over. Where another attempt has begun meanwhile, an event `reset` says so.
std::unique_ptr<Story> log_story(Backend& backend, const ApiRequest& request,
                                 const std::string& last_id);

}  // namespace lockstep
