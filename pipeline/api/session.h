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
#include <memory>
#include <optional>
#include <string>

#include "pipeline/api/server.h"
#include "pipeline/api/workers.h"

namespace lockstep {

// What all sessions share.
struct ServerCore {
  ServerCore(Api& api_in, const ServerLimits& limits_in)
      : api(api_in), limits(limits_in), quick(limits.quick_workers), slow(limits.slow_workers) {}

  Api& api;
  const ServerLimits limits;
  Workers quick, slow;
  std::atomic<size_t> connections = 0;
  std::atomic<size_t> writing = 0;  // answers on their way out
  std::atomic<bool> stopping = false;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  using Socket = boost::asio::local::stream_protocol::socket;

  Session(ServerCore& core, Socket socket, std::string user);
  ~Session();
  void start() { read_more(); }

 private:
  using Stream = boost::beast::basic_stream<boost::asio::local::stream_protocol>;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Answer = boost::beast::http::response<boost::beast::http::string_body>;

  void read_more();
  void on_bytes();
  void read_head();
  void read_body();
  void dispatch();
  void run(Workers& workers, ApiRequest request);
  bool gone() const;
  void refuse(int status, const Error& error);
  void refuse_parse(const boost::beast::error_code& error);
  void respond(const ApiResponse& response, bool keep);
  void write();
  void written(bool good);

  ServerCore& core_;
  Stream stream_;
  const int socket_;  // of stream_, for looking at it from other threads
  const std::string user_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::optional<Answer> answer_;
};

// An answer as bytes, for a connection that gets no session.
std::string plain_answer(int status, const Error& error);

}  // namespace lockstep
