#include "pipeline/api/session.h"

#include <poll.h>

#include <boost/asio/post.hpp>
#include <sstream>

namespace lockstep {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace net = boost::asio;

constexpr size_t kMaxNesting = 64;

Error invalid(const std::string& message, const std::string& hint = "") {
  return Error(ErrorCode::kInvalid, message, hint);
}

std::string dump(const Json& body) {
  return body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Beast unfolds continuation lines (RFC 9112 section 5.2 lets a server refuse them) without
// telling; they only show in the raw bytes.
bool has_folded_line(std::string_view head) {
  return head.find("\r\n ") != std::string_view::npos ||
         head.find("\r\n\t") != std::string_view::npos;
}

// What Beast 1.74 lets through and we do not. Status 0: fine.
std::pair<int, Error> guard(const http::request<http::string_body>& head) {
  if (head.count(http::field::host) != 1) return {400, invalid("the request names no one Host")};
  if (head.count(http::field::transfer_encoding)) {
    return {411, invalid("send a Content-Length: transfer encodings are not taken here")};
  }
  if (head.count(http::field::content_encoding)) {
    return {415, invalid("compressed bodies are not taken here")};
  }
  if (head.method() != http::verb::get && head.method() != http::verb::post) {
    return {405, invalid("only GET and POST are known here")};
  }
  return {0, invalid("")};
}

// The JSON parser is not recursive, but what walks a document later is.
void check_nesting(std::string_view text) {
  size_t depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxNesting) throw invalid("the body is nested too deeply");
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
}

ApiRequest read_request(const http::request<http::string_body>& message, const std::string& user) {
  ApiRequest request;
  request.method = std::string(message.method_string());
  request.user = user;
  read_target({message.target().data(), message.target().size()}, request);
  if (message.body().empty()) return request;
  if (request.method == "GET") throw invalid("a GET has no body");
  check_nesting(message.body());
  request.body = parse_json(message.body(), "the body");
  return request;
}

http::response<http::string_body> compose(const ApiResponse& response, bool keep) {
  http::response<http::string_body> out(http::int_to_status(response.status), 11);
  out.set(http::field::content_type, "application/json");
  out.set(http::field::cache_control, "no-store");
  out.body() = dump(response.body);
  out.keep_alive(keep);
  out.prepare_payload();
  return out;
}

}  // namespace

std::string plain_answer(int status, const Error& error) {
  std::ostringstream text;
  text << compose({status, error_document(error)}, false);
  return text.str();
}

Session::Session(ServerCore& core, Socket socket, std::string user)
    : core_(core),
      stream_(std::move(socket)),
      socket_(stream_.socket().native_handle()),
      user_(std::move(user)) {
  ++core_.connections;
  stream_.expires_after(core_.limits.read);
}

Session::~Session() {
  --core_.connections;
}

// The head is gathered by hand, so that its raw bytes can be looked at before Beast parses them.
void Session::read_more() {
  std::string_view seen(static_cast<const char*>(buffer_.data().data()), buffer_.size());
  if (seen.find("\r\n\r\n") != std::string_view::npos) return on_bytes();
  if (buffer_.size() >= core_.limits.header_bytes) {
    return refuse(431, invalid("the request's head is longer than " +
                               std::to_string(core_.limits.header_bytes) + " bytes"));
  }
  size_t room = std::min<size_t>(4096, core_.limits.header_bytes - buffer_.size());
  stream_.async_read_some(buffer_.prepare(room),
                          [self = shared_from_this()](beast::error_code error, size_t count) {
                            if (error) return;  // gone, or too slow
                            self->buffer_.commit(count);
                            self->read_more();
                          });
}

void Session::on_bytes() {
  std::string_view seen(static_cast<const char*>(buffer_.data().data()), buffer_.size());
  if (has_folded_line(seen.substr(0, seen.find("\r\n\r\n") + 2))) {
    return refuse(400, invalid("the request's head has folded lines"));
  }
  read_head();
}

void Session::read_head() {
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(core_.limits.header_bytes));
  parser_->body_limit(core_.limits.body_bytes);
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = shared_from_this()](beast::error_code error, size_t) {
                            if (error) return self->refuse_parse(error);
                            auto [status, problem] = guard(self->parser_->get());
                            if (status) return self->refuse(status, problem);
                            self->read_body();
                          });
}

void Session::read_body() {
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](beast::error_code error, size_t) {
                     if (error) return self->refuse_parse(error);
                     self->dispatch();
                   });
}

void Session::dispatch() {
  stream_.expires_never();
  ApiRequest request;
  try {
    request = read_request(parser_->get(), user_);
  } catch (const Error& error) {
    return respond({http_status(error.code), error_document(error)}, parser_->keep_alive());
  }
  const Route* route = Api::find(request.method, request.path);
  run(route && route->slow ? core_.slow : core_.quick, std::move(request));
}

// Closed at the other end, not only done with sending. Asked by the workers while they wait.
bool Session::gone() const {
  pollfd peer{socket_, 0, 0};
  return poll(&peer, 1, 0) > 0 && (peer.revents & POLLHUP) != 0;
}

void Session::run(Workers& workers, ApiRequest request) {
  // The handler holds the session while it runs, and with it the socket.
  request.gone = [this] { return gone(); };
  workers.post([self = shared_from_this(), request = std::move(request)] {
    auto response = std::make_shared<ApiResponse>(self->core_.api.handle(request));
    ++self->core_.writing;
    net::post(self->stream_.get_executor(), [self, response] {
      self->respond(*response, self->parser_->keep_alive());
      --self->core_.writing;
    });
  });
}

void Session::refuse(int status, const Error& error) {
  respond({status, error_document(error)}, false);
}

void Session::refuse_parse(const beast::error_code& error) {
  if (error == http::error::body_limit) {
    return refuse(413, invalid("the body is longer than " +
                               std::to_string(core_.limits.body_bytes) + " bytes"));
  }
  if (error == http::error::header_limit) return refuse(431, invalid("the head is too long"));
  // Errors of the connection itself (gone, too slow) get no answer.
  if (error.category() != http::make_error_code(http::error::bad_method).category()) return;
  if (error == http::error::end_of_stream || error == http::error::partial_message) return;
  refuse(400, invalid("this is no HTTP request: " + error.message()));
}

void Session::respond(const ApiResponse& response, bool keep) {
  answer_.emplace(compose(response, keep && !core_.stopping));
  ++core_.writing;
  write();
}

void Session::write() {
  stream_.expires_after(core_.limits.write);
  http::async_write(
      stream_, *answer_,
      [self = shared_from_this()](beast::error_code error, size_t) { self->written(!error); });
}

void Session::written(bool good) {
  --core_.writing;
  if (!good || !answer_->keep_alive()) {
    beast::error_code ignored;
    stream_.socket().shutdown(Socket::shutdown_send, ignored);
    return;
  }
  stream_.expires_after(core_.limits.read);
  read_more();
}

}  // namespace lockstep
