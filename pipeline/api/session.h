// One connection of the API server: reads requests within limits, refuses what Beast lets through,
// hands the rest to the workers and writes the answers. Included by server.cc and session.cc only
// (it drags in Boost).
// Knows nothing of accepting, the socket's path or threads.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "pipeline/api/event_feed.h"
#include "pipeline/api/server.h"
#include "pipeline/api/workers.h"

namespace lockstep {

// How many connections a door takes, in all and of one peer. Safe from several threads.
class Seats {
 public:
  Seats(size_t most, size_t most_of_peer) : most_(most), most_of_peer_(most_of_peer) {}

  // False where all are taken.
  bool enter(const std::string& peer);
  void leave(const std::string& peer);
  // Who is in stays.
  void limit(size_t most, size_t most_of_peer);
  size_t taken() const;

 private:
  mutable std::mutex mutex_;
  size_t most_, most_of_peer_, taken_ = 0;
  std::map<std::string, size_t> peers_;
};

// Who follows, as those see it that have news.
class FollowerBase {
 public:
  virtual ~FollowerBase() = default;
  virtual void wake() = 0;
};

// What all sessions share.
struct ServerCore {
  ServerCore(Api& api_in, EventFeed* feed_in, const ServerLimits& limits_in)
      : api(api_in),
        feed(feed_in),
        limits(limits_in),
        quick(limits.quick_workers),
        slow(limits.slow_workers) {}

  Api& api;
  EventFeed* const feed;  // null: nobody can follow
  const ServerLimits limits;
  Workers quick, slow;
  std::atomic<size_t> writing = 0;  // answers on their way out
  std::atomic<bool> stopping = false;

  void follow(std::weak_ptr<FollowerBase> follower, FollowerBase* key);
  void unfollow(FollowerBase* key);
  void wake_all();
  size_t followers() const;

 private:
  mutable std::mutex mutex_;
  std::map<FollowerBase*, std::weak_ptr<FollowerBase>> followers_;
};

// Through which door a connection came, and whom it brings.
struct Visit {
  std::string peer;  // "socket", or the address
  Identity who;      // of the Unix socket: the kernel says; else of the last request's token
  Tokens* tokens = nullptr;  // null: the Unix socket
  std::shared_ptr<const Listener> door;
  std::shared_ptr<Seats> seats;  // one is taken
  std::string bearer;            // the token that `who` was last known by

  // Is who came with a token still to be let in?
  bool still_known() const;
};

using LocalStream = boost::beast::basic_stream<boost::asio::local::stream_protocol>;
using PlainStream = boost::beast::tcp_stream;
using TlsStream = boost::beast::ssl_stream<boost::beast::tcp_stream>;

template <class Stream>
class Session : public std::enable_shared_from_this<Session<Stream>> {
 public:
  // `visit.peer` has taken one of the visit's seats; the session gives it back.
  Session(ServerCore& core, Stream stream, Visit visit);
  ~Session();
  void start();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Answer = boost::beast::http::response<boost::beast::http::string_body>;

  auto& lowest() { return boost::beast::get_lowest_layer(stream_); }
  void read_more();
  void on_bytes();
  void read_head();
  void on_head();
  // Fills in who asks; the status is not 0 where that one is not let in.
  std::pair<int, Error> identify();
  void read_body();
  void dispatch();
  bool follows() const;
  void follow(ApiRequest request);
  void run(Workers& workers, ApiRequest request);
  bool gone() const;
  void refuse(int status, const Error& error);
  void refuse_body(size_t most);
  void refuse_parse(const boost::beast::error_code& error);
  void respond(const ApiResponse& response, bool keep);
  void write();
  void written(bool good);
  void close();

  ServerCore& core_;
  Stream stream_;
  int socket_ = -1;  // of stream_, for looking at it from other threads
  Visit visit_;
  const Route* route_ = nullptr;  // that the request's head names
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::optional<Answer> answer_;
};

extern template class Session<LocalStream>;
extern template class Session<PlainStream>;
extern template class Session<TlsStream>;

// An answer as bytes, for a connection that gets no session.
std::string plain_answer(int status, const Error& error);

}  // namespace lockstep
