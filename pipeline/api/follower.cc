#include "pipeline/api/follower.h"

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

namespace lockstep {
namespace {

namespace beast = boost::beast;
namespace net = boost::asio;

constexpr const char* kHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
    "Connection: close\r\nX-Accel-Buffering: no\r\n\r\nretry: 2000\n\n";

}  // namespace

template <class Stream>
Follower<Stream>::Follower(ServerCore& core, Stream stream, Visit visit,
                           std::unique_ptr<Story> story)
    : core_(core),
      stream_(std::move(stream)),
      visit_(std::move(visit)),
      story_(std::move(story)),
      timer_(stream_.get_executor()),
      known_at_(std::chrono::steady_clock::now()) {}

template <class Stream>
Follower<Stream>::~Follower() {
  core_.unfollow(this);
  visit_.seats->leave(visit_.peer);
}

template <class Stream>
void Follower<Stream>::start(Story::Part first) {
  core_.follow(this->shared_from_this(), this);
  lowest().expires_never();
  listen();
  write(kHead + first.text, first.end);
}

// Who follows has nothing more to say; reading tells when that one has gone.
template <class Stream>
void Follower<Stream>::listen() {
  stream_.async_read_some(net::buffer(ignored_),
                          [self = this->shared_from_this()](beast::error_code error, size_t) {
                            error ? self->close() : self->listen();
                          });
}

template <class Stream>
void Follower<Stream>::wake() {
  if (story_->pause_ms() > 0) return;  // goes at its own pace
  if (!busy_ && !over_) take(story_->next());
}

template <class Stream>
void Follower<Stream>::fetch() {
  busy_ = true;
  core_.slow.post([self = this->shared_from_this()] {
    Story::Part part;
    try {
      part = self->story_->fetch();
    } catch (const std::exception&) {
      part.end = true;  // it may come again from where it was
    }
    net::post(self->stream_.get_executor(), [self, part = std::move(part)]() mutable {
      self->busy_ = false;
      self->take(std::move(part));
    });
  });
}

template <class Stream>
void Follower<Stream>::take(Story::Part part) {
  if (over_) return;
  if (part.fetch) return fetch();
  if (!part.text.empty() || part.end) return write(std::move(part.text), part.end);
  rest();
}

// A token that is revoked or has ended lets nobody follow for longer than a heartbeat.
template <class Stream>
bool Follower<Stream>::let_in() {
  const auto now = std::chrono::steady_clock::now();
  if (now - known_at_ < core_.limits.heartbeat) return true;
  known_at_ = now;
  return visit_.still_known();
}

template <class Stream>
void Follower<Stream>::write(std::string text, bool end) {
  if (!let_in()) return close();
  busy_ = true;
  out_ = std::move(text);
  lowest().expires_after(core_.limits.write);  // of the write alone: reading has begun before
  net::async_write(stream_, net::buffer(out_),
                   [self = this->shared_from_this(), end](beast::error_code error, size_t) {
                     self->busy_ = false;
                     if (error || end || self->core_.stopping) return self->close();
                     // A log is asked for at its pace; of events there may be more.
                     self->story_->pause_ms() > 0 ? self->rest() : self->wake();
                   });
}

template <class Stream>
void Follower<Stream>::rest() {
  const int64_t pause_ms = story_->pause_ms();
  timer_.expires_after(pause_ms > 0 ? std::chrono::milliseconds(pause_ms) : core_.limits.heartbeat);
  timer_.async_wait([self = this->shared_from_this(), pause_ms](beast::error_code error) {
    if (error || self->busy_ || self->over_) return;
    pause_ms > 0 ? self->fetch() : self->write(":\n\n", false);
  });
}

template <class Stream>
void Follower<Stream>::close() {
  if (over_) return;
  over_ = true;
  core_.unfollow(this);
  timer_.cancel();
  beast::error_code ignored;
  lowest().socket().shutdown(net::socket_base::shutdown_both, ignored);
  lowest().cancel();
}

template class Follower<LocalStream>;
template class Follower<PlainStream>;
template class Follower<TlsStream>;

}  // namespace lockstep
