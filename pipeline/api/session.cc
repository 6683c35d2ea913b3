#include "pipeline/api/session.h"

#include <poll.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <sstream>

#include "pipeline/api/follower.h"
#include "pipeline/api/story.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/point.h"

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
  if (head.count(http::field::content_length) > 1) {
    return {400, invalid("the request has two lengths")};
  }
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

std::string_view view(boost::string_view text) {
  return {text.data(), text.size()};
}

// What a route that takes bytes gets.
void take_bytes(http::request<http::string_body>& message, ApiRequest& request) {
  for (const auto& field : message) {
    request.headers.emplace_back(view(field.name_string()), view(field.value()));
  }
  request.bytes = std::move(message.body());
}

ApiRequest read_request(http::request<http::string_body>& message, const Route* route,
                        const Visit& visit) {
  ApiRequest request;
  request.method = std::string(message.method_string());
  request.user = visit.who.name;
  request.role = visit.who.role;
  request.peer = visit.peer;
  read_target(view(message.target()), request);
  if (route && route->bytes) return take_bytes(message, request), request;
  if (message.body().empty()) return request;
  if (request.method == "GET") throw invalid("a GET has no body");
  check_nesting(message.body());
  request.body = parse_json(message.body(), "the body");
  return request;
}

http::response<http::string_body> compose(const ApiResponse& response, bool keep) {
  http::response<http::string_body> out(http::int_to_status(response.status), 11);
  const bool text = !response.content_type.empty();
  out.set(http::field::content_type, text ? response.content_type : "application/json");
  out.set(http::field::cache_control, "no-store");
  if (response.status == 503) out.set(http::field::retry_after, "5");
  if (response.status == 401) out.set(http::field::www_authenticate, "Bearer");
  out.body() = text ? response.text : dump(response.body);
  out.keep_alive(keep);
  out.prepare_payload();
  return out;
}

// "Example.org:8443" → "example.org", "[::1]:8443" → "::1".
std::string host_of(std::string_view text) {
  if (!text.empty() && text.front() == '[') {
    text = text.substr(1, text.find(']') - 1);
  } else {
    text = text.substr(0, text.find(':'));
  }
  std::string host(text);
  std::transform(host.begin(), host.end(), host.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return host;
}

}  // namespace

std::string plain_answer(int status, const Error& error) {
  std::ostringstream text;
  text << compose({status, error_document(error)}, false);
  return text.str();
}

bool Seats::enter(const std::string& peer) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (taken_ >= most_) return false;
  size_t& mine = peers_[peer];
  if (mine >= most_of_peer_) return false;
  ++mine;
  ++taken_;
  return true;
}

void Seats::leave(const std::string& peer) {
  std::lock_guard<std::mutex> lock(mutex_);
  --taken_;
  auto mine = peers_.find(peer);
  if (--mine->second == 0) peers_.erase(mine);
}

void Seats::limit(size_t most, size_t most_of_peer) {
  std::lock_guard<std::mutex> lock(mutex_);
  most_ = most;
  most_of_peer_ = most_of_peer;
}

size_t Seats::taken() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return taken_;
}

bool Visit::still_known() const {
  if (!tokens) return true;
  std::optional<Identity> now = tokens->identify(bearer, SystemClock().now_ms());
  return now && now->role == who.role;
}

void ServerCore::follow(std::weak_ptr<FollowerBase> follower, FollowerBase* key) {
  std::lock_guard<std::mutex> lock(mutex_);
  followers_[key] = std::move(follower);
}

void ServerCore::unfollow(FollowerBase* key) {
  std::lock_guard<std::mutex> lock(mutex_);
  followers_.erase(key);
}

size_t ServerCore::followers() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return followers_.size();
}

void ServerCore::wake_all() {
  std::vector<std::shared_ptr<FollowerBase>> all;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [key, follower] : followers_) {
      if (auto one = follower.lock()) all.push_back(std::move(one));
    }
  }
  for (const auto& follower : all) follower->wake();
}

template <class Stream>
Session<Stream>::Session(ServerCore& core, Stream stream, Visit visit)
    : core_(core), stream_(std::move(stream)), visit_(std::move(visit)) {
  socket_ = lowest().socket().native_handle();
}

template <class Stream>
Session<Stream>::~Session() {
  if (visit_.seats) visit_.seats->leave(visit_.peer);  // else a follower has it
}

template <class Stream>
void Session<Stream>::start() {
  lowest().expires_after(core_.limits.read);
  if constexpr (std::is_same_v<Stream, TlsStream>) {
    stream_.async_handshake(net::ssl::stream_base::server,
                            [self = this->shared_from_this()](beast::error_code error) {
                              if (!error) self->read_more();
                            });
  } else {
    read_more();
  }
}

// The head is gathered by hand, so that its raw bytes can be looked at before Beast parses them.
template <class Stream>
void Session<Stream>::read_more() {
  std::string_view seen(static_cast<const char*>(buffer_.data().data()), buffer_.size());
  if (seen.find("\r\n\r\n") != std::string_view::npos) return on_bytes();
  if (buffer_.size() >= core_.limits.header_bytes) {
    return refuse(431, invalid("the request's head is longer than " +
                               std::to_string(core_.limits.header_bytes) + " bytes"));
  }
  size_t room = std::min<size_t>(4096, core_.limits.header_bytes - buffer_.size());
  stream_.async_read_some(buffer_.prepare(room),
                          [self = this->shared_from_this()](beast::error_code error, size_t count) {
                            if (error) return;  // gone, or too slow
                            self->buffer_.commit(count);
                            self->read_more();
                          });
}

template <class Stream>
void Session<Stream>::on_bytes() {
  std::string_view seen(static_cast<const char*>(buffer_.data().data()), buffer_.size());
  if (has_folded_line(seen.substr(0, seen.find("\r\n\r\n") + 2))) {
    return refuse(400, invalid("the request's head has folded lines"));
  }
  read_head();
}

template <class Stream>
void Session<Stream>::read_head() {
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(core_.limits.header_bytes));
  parser_->body_limit(std::max(core_.limits.body_bytes, core_.limits.hook_bytes));
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = this->shared_from_this()](beast::error_code error, size_t) {
                            if (error) return self->refuse_parse(error);
                            self->on_head();
                          });
}

template <class Stream>
void Session<Stream>::on_head() {
  const auto& head = parser_->get();
  auto [status, problem] = guard(head);
  if (status) return refuse(status, problem);
  std::string_view target = view(head.target());
  route_ = Api::find(std::string(head.method_string()), target.substr(0, target.find('?')));
  if (visit_.tokens) {
    auto [turned_away, why] = identify();
    if (turned_away) return refuse(turned_away, why);
  }
  size_t most = route_ && route_->bytes ? core_.limits.hook_bytes : core_.limits.body_bytes;
  if (parser_->content_length().value_or(0) > most) return refuse_body(most);
  read_body();
}

// Before the body is read: who has no business here sends none.
template <class Stream>
std::pair<int, Error> Session<Stream>::identify() {
  const auto& head = parser_->get();
  visit_.who = {};
  if (!visit_.door->hosts.count(host_of(view(head[http::field::host])))) {
    return {421, Error(ErrorCode::kDenied, "this daemon is not known under that Host",
                       "`hosts` of its listener in lockstep.yaml names those that it takes")};
  }
  if (head.count(http::field::origin)) {
    return {403, Error(ErrorCode::kDenied, "pages of a browser do not speak to this API")};
  }
  std::string_view given = view(head[http::field::authorization]);
  constexpr std::string_view kBearer = "Bearer ";
  if (head.count(http::field::authorization) == 1 && given.substr(0, kBearer.size()) == kBearer) {
    std::optional<Identity> who =
        visit_.tokens->identify(given.substr(kBearer.size()), SystemClock().now_ms());
    if (who) visit_.who = *who;
    if (who) visit_.bearer = given.substr(kBearer.size());
  }
  bool anyone = route_ && route_->role == kAnyone;
  if (!visit_.who.role.empty() || anyone) return {0, invalid("")};
  ApiRequest refused;
  refused.method = std::string(head.method_string());
  std::string_view target = view(head.target());
  // Without its query, which may hold the very secret.
  refused.path = std::string(target.substr(0, std::min<size_t>(target.find('?'), 200)));
  refused.peer = visit_.peer;
  core_.api.audit(refused, 401);
  return {401, Error(ErrorCode::kDenied, "a token that is known and still good is needed",
                     "`lockstep token create NAME --role ROLE` makes one; send it as "
                     "`Authorization: Bearer TOKEN`")};
}

template <class Stream>
void Session<Stream>::read_body() {
  http::async_read(stream_, buffer_, *parser_,
                   [self = this->shared_from_this()](beast::error_code error, size_t) {
                     if (error) return self->refuse_parse(error);
                     self->dispatch();
                   });
}

template <class Stream>
void Session<Stream>::dispatch() {
  lowest().expires_never();
  ApiRequest request;
  try {
    request = read_request(parser_->get(), route_, visit_);
  } catch (const Error& error) {
    return respond({http_status(error.code), error_document(error)}, parser_->keep_alive());
  }
  if (follows()) return follow(std::move(request));
  run(route_ && route_->slow ? core_.slow : core_.quick, std::move(request));
}

template <class Stream>
bool Session<Stream>::follows() const {
  if (!route_ || route_->follows == Follows::kNothing || !core_.feed) return false;
  std::string_view accept = view(parser_->get()[http::field::accept]);
  if (accept.find("text/event-stream") != accept.npos) return true;
  return route_->follows == Follows::kEvents && accept.find("json") == accept.npos;
}

// The first part is asked for while an error can still be an answer of its own.
template <class Stream>
void Session<Stream>::follow(ApiRequest request) {
  std::string last_id(view(parser_->get()["Last-Event-ID"]));
  core_.slow.post([self = this->shared_from_this(), request = std::move(request),
                   last_id = std::move(last_id)] {
    auto answer = std::make_shared<ApiResponse>();
    auto story = std::make_shared<std::unique_ptr<Story>>();
    auto first = std::make_shared<Story::Part>();
    *answer = self->core_.api.guarded(request, [&](Backend& backend) {
      *story = self->route_->follows == Follows::kLog
                   ? log_story(backend, request, last_id)
                   : event_story(*self->core_.feed, backend, request, last_id);
      *first = (*story)->fetch();
    });
    net::post(self->stream_.get_executor(), [self, answer, story, first] {
      if (answer->status != 200) return self->respond(*answer, self->parser_->keep_alive());
      std::make_shared<Follower<Stream>>(self->core_, std::move(self->stream_),
                                         std::move(self->visit_), std::move(*story))
          ->start(std::move(*first));
    });
  });
}

// Closed at the other end, not only done with sending. Asked by the workers while they wait.
template <class Stream>
bool Session<Stream>::gone() const {
  pollfd peer{socket_, 0, 0};
  return poll(&peer, 1, 0) > 0 && (peer.revents & POLLHUP) != 0;
}

template <class Stream>
void Session<Stream>::run(Workers& workers, ApiRequest request) {
  // The handler holds the session while it runs, and with it the socket.
  request.gone = [this] { return gone(); };
  workers.post([self = this->shared_from_this(), request = std::move(request)] {
    auto response = std::make_shared<ApiResponse>(self->core_.api.handle(request));
    ++self->core_.writing;
    net::post(self->stream_.get_executor(), [self, response] {
      self->respond(*response, self->parser_->keep_alive());
      --self->core_.writing;
    });
  });
}

template <class Stream>
void Session<Stream>::refuse(int status, const Error& error) {
  respond({status, error_document(error)}, false);
}

template <class Stream>
void Session<Stream>::refuse_body(size_t most) {
  refuse(413, invalid("the body is longer than " + std::to_string(most) + " bytes"));
}

template <class Stream>
void Session<Stream>::refuse_parse(const beast::error_code& error) {
  if (error == http::error::body_limit) return refuse_body(core_.limits.hook_bytes);
  if (error == http::error::header_limit) return refuse(431, invalid("the head is too long"));
  // Errors of the connection itself (gone, too slow) get no answer.
  if (error.category() != http::make_error_code(http::error::bad_method).category()) return;
  if (error == http::error::end_of_stream || error == http::error::partial_message) return;
  refuse(400, invalid("this is no HTTP request: " + error.message()));
}

template <class Stream>
void Session<Stream>::respond(const ApiResponse& response, bool keep) {
  point("api.answer.before");
  answer_.emplace(compose(response, keep && !core_.stopping));
  ++core_.writing;
  write();
}

template <class Stream>
void Session<Stream>::write() {
  lowest().expires_after(core_.limits.write);
  http::async_write(stream_, *answer_,
                    [self = this->shared_from_this()](beast::error_code error, size_t) {
                      self->written(!error);
                    });
}

template <class Stream>
void Session<Stream>::written(bool good) {
  point("api.answer.after");
  --core_.writing;
  if (!good || !answer_->keep_alive()) return close();
  lowest().expires_after(core_.limits.read);
  read_more();
}

template <class Stream>
void Session<Stream>::close() {
  if constexpr (std::is_same_v<Stream, TlsStream>) {
    stream_.async_shutdown([self = this->shared_from_this()](beast::error_code) {});
  } else {
    beast::error_code ignored;
    lowest().socket().shutdown(net::socket_base::shutdown_send, ignored);
  }
}

template class Session<LocalStream>;
template class Session<PlainStream>;
template class Session<TlsStream>;

}  // namespace lockstep
