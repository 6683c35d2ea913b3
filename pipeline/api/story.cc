#include "pipeline/api/story.h"

#include <algorithm>
#include <charconv>

namespace lockstep {
namespace {

int64_t parse_id(std::string_view text, const std::string& what) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    throw Error(ErrorCode::kInvalid, what + " is not an id that was given here",
                "leave it out to begin with what is new");
  }
  return value;
}

std::string query(const ApiRequest& request, const std::string& name) {
  auto it = request.query.find(name);
  return it == request.query.end() ? "" : it->second;
}

std::string line(const Json& data) {
  return data.dump(-1, ' ', false, Json::error_handler_t::replace);
}

class EventStory : public Story {
 public:
  EventStory(EventFeed& feed, Backend& backend, int64_t cursor, bool resumes)
      : feed_(feed), backend_(backend), cursor_(cursor), resumes_(resumes) {}

  Part next() override {
    EventFeed::Piece piece = feed_.after(cursor_);
    if (piece.behind && !live_) return {"", false, true};
    if (piece.behind) return {dropped(), true, false};
    if (!piece.text) {
      live_ = true;
      return {};
    }
    cursor_ = piece.cursor;
    return {*piece.text, false, false};
  }

  Part fetch() override {
    constexpr size_t kPage = 256;
    Part part;
    if (!resumes_) {
      part.text = "id: " + std::to_string(cursor_) + "\n\n";  // so that it can be resumed from here
      resumes_ = live_ = true;
      return part;
    }
    EventPage page = backend_.events(cursor_, kPage);
    if (cursor_ + 1 < page.first || cursor_ > page.last) {
      part.text = reset(page);
      if (cursor_ + 1 < page.first) page = backend_.events(page.first - 1, kPage);
    }
    for (const Event& event : page.events) {
      part.text += event_text(event);
      cursor_ = event.id;
    }
    return part;
  }

  int64_t pause_ms() const override { return 0; }

 private:
  std::string reset(const EventPage& page) {
    const bool old = cursor_ + 1 < page.first;
    cursor_ = old ? page.first - 1 : page.last;
    Json data = {{"why", old ? "events before that are no longer kept"
                             : "no event has had that id in this store"},
                 {"from", cursor_}};
    return event_text({cursor_, "reset", line(data)});
  }

  std::string dropped() const {
    Json data = {{"why", "too slow: what comes next is not in memory any more"},
                 {"resume", cursor_}};
    return event_text({cursor_, "dropped", line(data)});
  }

  EventFeed& feed_;
  Backend& backend_;
  int64_t cursor_;
  bool resumes_;
  bool live_ = false;  // was up to date once
};

class LogStory : public Story {
 public:
  LogStory(Backend& backend, std::string run, std::string step, std::string attempt,
           uint64_t offset)
      : backend_(backend),
        run_(std::move(run)),
        step_(std::move(step)),
        attempt_(std::move(attempt)),
        offset_(offset) {}

  Part next() override { return {"", false, true}; }

  Part fetch() override {
    Json got = backend_.log(run_, step_, offset_, {});
    Part part;
    const std::string attempt = got.at("attempt").get<std::string>();
    if (!attempt_.empty() && attempt_ != attempt) {
      part.text =
          event("reset", {{"why", "another attempt has begun"}, {"attempt", attempt}}, attempt, 0);
      got = backend_.log(run_, step_, 0, {});
    }
    attempt_ = attempt;
    offset_ = got.at("offset").get<uint64_t>();
    const bool some = !got.at("log").get_ref<const std::string&>().empty();
    part.end = got.at("end").get<bool>();
    pause_ms_ = some ? kLeastPause_ms : std::min(pause_ms_ * 2, kMostPause_ms);
    quiet_ms_ = some ? 0 : quiet_ms_ + pause_ms_;
    if (quiet_ms_ > kHeartbeat_ms) part.text += ":\n\n", quiet_ms_ = 0;
    if (some) part.text += event("log", {{"log", got.at("log")}}, attempt_, offset_);
    if (part.end) part.text += event("end", {{"attempt", attempt_}}, attempt_, offset_);
    return part;
  }

  int64_t pause_ms() const override { return pause_ms_; }

 private:
  static constexpr int64_t kLeastPause_ms = 200, kMostPause_ms = 1600, kHeartbeat_ms = 15'000;

  static std::string event(const std::string& kind, const Json& data, const std::string& attempt,
                           uint64_t offset) {
    return "id: " + attempt + ":" + std::to_string(offset) + "\nevent: " + kind +
           "\ndata: " + line(data) + "\n\n";
  }

  Backend& backend_;
  const std::string run_, step_;
  std::string attempt_;  // empty: the newest one, whichever it is
  uint64_t offset_;
  int64_t pause_ms_ = kLeastPause_ms, quiet_ms_ = 0;
};

}  // namespace

std::unique_ptr<Story> event_story(EventFeed& feed, Backend& backend, const ApiRequest& request,
                                   const std::string& last_id) {
  const std::string after = query(request, "after");
  if (last_id.empty() && after.empty()) {
    return std::make_unique<EventStory>(feed, backend, feed.last(), false);
  }
  int64_t cursor =
      last_id.empty() ? parse_id(after, "`after`") : parse_id(last_id, "Last-Event-ID");
  return std::make_unique<EventStory>(feed, backend, cursor, true);
}

std::unique_ptr<Story> log_story(Backend& backend, const ApiRequest& request,
                                 const std::string& last_id) {
  const size_t colon = last_id.rfind(':');
  const std::string step = query(request, "step"), from = query(request, "offset");
  if (step.empty()) throw Error(ErrorCode::kInvalid, "the query field `step` is missing");
  std::string attempt;
  int64_t offset = from.empty() ? 0 : parse_id(from, "`offset`");
  if (!last_id.empty()) {
    attempt = last_id.substr(0, colon);
    const std::string_view id(last_id);
    offset = parse_id(colon == id.npos ? id : id.substr(colon + 1), "Last-Event-ID");
    if (colon == last_id.npos || attempt.empty()) parse_id("-", "Last-Event-ID");
  }
  return std::make_unique<LogStory>(backend, query(request, "run"), step, attempt,
                                    static_cast<uint64_t>(offset));
}

}  // namespace lockstep
