#include "pipeline/api/client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "pipeline/api/peer.h"

namespace lockstep {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace net = boost::asio;
using Local = net::local::stream_protocol;
using Stream = beast::basic_stream<Local, net::io_context::executor_type>;

constexpr uint64_t kMaxAnswerBytes = 512ull << 20;

// One exchange; Beast's time-outs need the asynchronous calls, run to their end on this thread.
class Exchange {
 public:
  explicit Exchange(const fs::path& socket) : socket_(socket), stream_(io_) {
    parser_.body_limit(kMaxAnswerBytes);
    parser_.header_limit(64 << 10);
  }

  void connect(std::chrono::milliseconds limit) {
    SocketAddress address(socket_);
    beast::error_code failed;
    stream_.expires_after(limit);
    stream_.async_connect(Local::endpoint(address.text()),
                          [&](beast::error_code error) { failed = error; });
    io_.run();
    if (!failed) return;
    if (failed == net::error::access_denied) {
      throw Error(ErrorCode::kDenied, "this daemon belongs to another user",
                  "run the command as its owner", socket_.string());
    }
    throw Error(ErrorCode::kUnavailable, "no daemon answers: " + failed.message(),
                "start it with `lockstep serve`", socket_.string());
  }

  void send(const http::request<http::string_body>& request, std::chrono::milliseconds limit) {
    beast::error_code failed;
    io_.restart();
    stream_.expires_after(limit);
    // A server that refuses answers before it has read all: the answer counts, not the write.
    http::async_write(stream_, request, [&](beast::error_code, size_t) {
      http::async_read(stream_, buffer_, parser_,
                       [&](beast::error_code error, size_t) { failed = error; });
    });
    io_.run();
    if (failed == beast::error::timeout) {
      throw Error(ErrorCode::kUnavailable, "the daemon gave no answer in time",
                  "look at its log; `lockstep status` tells whether it lives", socket_.string());
    }
    if (failed) {
      throw Error(ErrorCode::kUnavailable, "the daemon went away: " + failed.message(),
                  "what it was doing goes on when it is started again: `lockstep serve`",
                  socket_.string());
    }
  }

  const http::response<http::string_body>& answer() const { return parser_.get(); }

 private:
  const fs::path& socket_;
  net::io_context io_;
  Stream stream_;
  beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
};

http::request<http::string_body> compose(const ApiRequest& request) {
  auto verb = http::string_to_verb(request.method);
  http::request<http::string_body> out(verb, api_target(request), 11);
  out.set(http::field::host, "lockstep");
  out.set(http::field::connection, "close");
  out.set(http::field::accept, "application/json");
  if (verb == http::verb::post) {
    out.set(http::field::content_type, "application/json");
    out.body() = request.body.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  out.prepare_payload();
  return out;
}

}  // namespace

ApiClient::ApiClient(fs::path socket, ClientTimes times)
    : socket_(std::move(socket)), times_(times) {}

ApiResponse ApiClient::call(const ApiRequest& request) const {
  Exchange exchange(socket_);
  exchange.connect(times_.connect);
  exchange.send(compose(request), request.method == "GET" ? times_.read : times_.act);
  const auto& answer = exchange.answer();
  ApiResponse out{static_cast<int>(answer.result_int()), {}};
  try {
    out.body = parse_json(answer.body(), "the answer");
  } catch (const Error&) {
    out.status = http_status(ErrorCode::kCorrupt);
    out.body = error_document(read_error(Json()));
  }
  return out;
}

ApiCall ApiClient::as_call() const {
  return [client = *this](const ApiRequest& request) { return client.call(request); };
}

}  // namespace lockstep
