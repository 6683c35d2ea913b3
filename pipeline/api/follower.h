// One connection that follows: a story is written to it as server-sent events, part by part, with
// heartbeats in between. What is unsent of it is one part; it never makes anybody wait. Included by
// session.cc and follower.cc only (it drags in Boost).
// Knows nothing of what the story is about.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>

#include "pipeline/api/session.h"
#include "pipeline/api/story.h"

namespace lockstep {

template <class Stream>
class Follower : public FollowerBase, public std::enable_shared_from_this<Follower<Stream>> {
 public:
  // Takes over the connection and the visit's seat.
  Follower(ServerCore& core, Stream stream, Visit visit, std::unique_ptr<Story> story);
  ~Follower() override;
  void start(Story::Part first);
  void wake() override;  // there is news; on the I/O thread

 private:
  auto& lowest() { return boost::beast::get_lowest_layer(stream_); }
  void listen();
  void fetch();
  void take(Story::Part part);
  void write(std::string text, bool end);
  void rest();
  bool let_in();
  void close();

  ServerCore& core_;
  Stream stream_;
  Visit visit_;
  std::unique_ptr<Story> story_;
  boost::asio::steady_timer timer_;
  std::string out_;  // what is being written
  char ignored_[16];
  std::chrono::steady_clock::time_point known_at_;  // when the token was last looked at
  bool busy_ = false, over_ = false;
};

extern template class Follower<LocalStream>;
extern template class Follower<PlainStream>;
extern template class Follower<TlsStream>;

}  // namespace lockstep
