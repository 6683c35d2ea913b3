#include "connectors/http/http.h"

#include <fmt/format.h>
#include <httplib.h>
#include <signal.h>

#include <algorithm>
#include <exception>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

constexpr size_t kPiece = 1 << 20;
constexpr size_t kMaxConnections = 8;
constexpr uint64_t kErrorBodyLimit = 1 << 20;

// The library writes to sockets that the other side may have closed; without this, SIGPIPE would
// end the process unless all of it ignores that signal.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigpipe() {
    timespec now{};
    if (!was_pending_) {
      while (sigtimedwait(&pipe_, nullptr, &now) == SIGPIPE) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t pipe_, before_;
  bool was_pending_ = false;
};

std::chrono::milliseconds ms(int value) {
  return std::chrono::milliseconds(std::max(value, 1));
}

std::unique_ptr<httplib::ClientImpl> connection(const Url& url, const std::string& address,
                                                const HttpOptions& options) {
  std::unique_ptr<httplib::ClientImpl> client;
  if (url.tls) {
    auto tls = std::make_unique<httplib::SSLClient>(url.host, url.port);
    tls->enable_server_certificate_verification(true);
    if (!options.ca_file.empty()) tls->set_ca_cert_path(options.ca_file.string());
    client = std::move(tls);
  } else {
    client = std::make_unique<httplib::ClientImpl>(url.host, url.port);
  }
  client->set_connection_timeout(ms(options.connect_timeout_ms));
  client->set_read_timeout(ms(options.read_timeout_ms));
  client->set_write_timeout(ms(options.write_timeout_ms));
  client->set_keep_alive(true);
  client->set_tcp_nodelay(true);
  client->set_follow_location(false);
  client->set_url_encode(false);
  client->set_decompress(false);
  client->set_hostname_addr_map({{url.host, address}});
  return client;
}

// What happened in the callbacks, which must not throw through the library.
struct Exchange {
  const HttpRequest& request;
  HttpResponse response;
  uint64_t received = 0;
  uint64_t limit = 0;
  bool too_large = false;
  std::exception_ptr thrown = nullptr;

  bool receive(std::string_view part) {
    received += part.size();
    bool good = response.status / 100 == 2;
    limit = good ? request.max_body : kErrorBodyLimit;
    too_large = received > limit;
    if (too_large) return false;
    if (!request.sink || !good) {
      response.body.append(part);
      return true;
    }
    return guarded([&] { request.sink(part); });
  }
  bool give(size_t offset, size_t length, httplib::DataSink& to) {
    return guarded([&] {
      std::string piece = request.upload(offset, std::min(length, kPiece));
      if (piece.empty()) {
        throw Error(ErrorCode::kCorrupt, "what is sent is shorter than announced");
      }
      to.write(piece.data(), piece.size());
    });
  }
  template <typename Act>
  bool guarded(Act act) {
    try {
      act();
      return true;
    } catch (...) {
      thrown = std::current_exception();
      return false;
    }
  }
};

httplib::Request library_request(Exchange& exchange) {
  const HttpRequest& from = exchange.request;
  httplib::Request to;
  to.method = from.method;
  to.path = from.url.target;
  to.body = from.body;
  for (const auto& [name, value] : from.headers) to.headers.emplace(name, value);
  to.headers.emplace("Host", from.url.authority());
  to.headers.emplace("User-Agent", "lockstep");
  to.headers.emplace("Accept-Encoding", "identity");
  if (from.upload) {
    to.headers.emplace("Content-Length", std::to_string(from.length));
    to.content_length_ = from.length;
    to.content_provider_ = [&exchange](size_t offset, size_t length, httplib::DataSink& sink) {
      return exchange.give(offset, length, sink);
    };
  }
  to.response_handler = [&exchange](const httplib::Response& answer) {
    exchange.response.status = answer.status;
    return true;
  };
  to.content_receiver = [&exchange](const char* data, size_t size, uint64_t, uint64_t) {
    return exchange.receive({data, size});
  };
  return to;
}

void take_headers(const httplib::Response& from, HttpResponse& to) {
  to.status = from.status;
  for (const auto& [name, value] : from.headers) {
    std::string lower = name;
    for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    to.headers.emplace(std::move(lower), value);
  }
}

[[noreturn]] void failed(const Exchange& exchange, httplib::Error error) {
  std::string host = exchange.request.url.authority();
  if (exchange.thrown) std::rethrow_exception(exchange.thrown);
  if (exchange.too_large) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{} answered {} with more than {} bytes", host,
                            printable(exchange.request.url.target), exchange.limit));
  }
  if (error == httplib::Error::SSLServerVerification || error == httplib::Error::SSLLoadingCerts) {
    throw Error(ErrorCode::kDenied, fmt::format("the certificate of {} is not trusted", host),
                "name the file of its authority as ca-file, or renew the certificate");
  }
  throw Error(ErrorCode::kUnavailable,
              fmt::format("{} does not answer: {}", host, httplib::to_string(error)),
              "is the server running, and the place right?");
}

}  // namespace

std::string HttpResponse::header(const std::string& lower_case_name) const {
  auto found = headers.find(lower_case_name);
  return found == headers.end() ? "" : found->second;
}

struct HttpClient::Connections {
  struct Open {
    std::vector<std::string> addresses;  // judged; the first is the one in use
    std::unique_ptr<httplib::ClientImpl> client;
  };
  std::map<std::string, Open> open;

  static std::string key(const Url& url) {
    return (url.tls ? "https://" : "http://") + url.authority();
  }
  httplib::ClientImpl& to(const Url& url, const HttpOptions& options) {
    if (open.size() > kMaxConnections) open.clear();
    Open& one = open[key(url)];
    if (one.addresses.empty()) {
      one.addresses = checked_addresses(url.host, url.port, options.network);
    }
    if (!one.client) one.client = connection(url, one.addresses.front(), options);
    return *one.client;
  }
  // Nobody listens at the address in use. False: it was the last one.
  bool try_next(const Url& url) {
    Open& one = open[key(url)];
    if (one.addresses.size() < 2) return false;
    one.addresses.erase(one.addresses.begin());
    one.client.reset();
    return true;
  }
};

HttpClient::HttpClient(HttpOptions options)
    : options_(std::move(options)), connections_(std::make_unique<Connections>()) {}
HttpClient::~HttpClient() = default;

HttpResponse HttpClient::send(const HttpRequest& request) {
  NoSigpipe guard;
  bool repeatable = request.method == "GET" || request.method == "HEAD";
  for (int attempt = 0;; ++attempt) {
    Exchange exchange{request, {}};
    httplib::Request out = library_request(exchange);
    httplib::Response in;
    httplib::Error error = httplib::Error::Success;
    if (connections_->to(request.url, options_).send(out, in, error)) {
      take_headers(in, exchange.response);
      return std::move(exchange.response);
    }
    if (error == httplib::Error::Connection && connections_->try_next(request.url)) {
      --attempt;
      continue;
    }
    connections_->open.clear();
    // A kept connection may have been closed while the request was under way.
    bool lost = error == httplib::Error::Read || error == httplib::Error::Write;
    if (attempt == 0 && repeatable && lost && exchange.received == 0 && !exchange.response.status) {
      continue;
    }
    failed(exchange, error);
  }
}

}  // namespace lockstep
