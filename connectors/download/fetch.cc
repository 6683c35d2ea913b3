#include "connectors/download/fetch.h"

#include <openssl/ssl.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <optional>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace net = boost::asio;
namespace ssl = net::ssl;
using net::ip::tcp;
using Plain = beast::tcp_stream;
using Secure = beast::ssl_stream<Plain>;

constexpr uint32_t kMaxHead_bytes = 64 << 10;

// Resolve, connect, shake hands, write, read: each step starts the next one when it went well.
template <typename Stream>
class Exchange {
 public:
  Exchange(const FetchRequest& request, net::io_context& io, Stream& stream)
      : request_(request), io_(io), stream_(stream), resolver_(io) {
    parser_.header_limit(kMaxHead_bytes);
    parser_.body_limit(request.max_body);
    message_ = {http::verb::get, request.url.target, 11};
    for (const auto& [name, value] : request.headers) message_.set(name, value);
    message_.set(http::field::host, request.url.authority());
    message_.set(http::field::user_agent, "lockstep");
    message_.set(http::field::accept_encoding, "identity");
    message_.set(http::field::connection, "close");
  }

  FetchAnswer run() {
    resolver_.async_resolve(request_.url.host, std::to_string(request_.url.port),
                            [this](beast::error_code error, tcp::resolver::results_type found) {
                              if (good(error)) judge(found);
                            });
    io_.run_until(request_.limit);
    const bool over = !io_.stopped();
    beast::get_lowest_layer(stream_).close();
    if (refused_) throw *refused_;
    return answer(over);
  }

 private:
  bool good(beast::error_code error) {
    error_ = error;
    return !error;
  }
  void wait() { beast::get_lowest_layer(stream_).expires_after(request_.stall); }

  // What is connected to below is what was judged here: nobody asks the resolver again.
  void judge(const tcp::resolver::results_type& found) {
    try {
      for (const auto& one : found) {
        const tcp::endpoint place = one.endpoint();
        check_address(request_.url.host, request_.url.port, *place.data(), request_.network);
      }
    } catch (const Error& error) {
      refused_ = error;
      return;
    }
    connect(found);
  }

  void connect(const tcp::resolver::results_type& found) {
    wait();
    beast::get_lowest_layer(stream_).async_connect(
        found, [this](beast::error_code error, const tcp::endpoint&) {
          if (good(error)) shake_hands();
        });
  }

  void shake_hands() {
    if constexpr (std::is_same_v<Stream, Secure>) {
      wait();
      stream_.async_handshake(ssl::stream_base::client, [this](beast::error_code error) {
        if (good(error)) write();
      });
    } else {
      write();
    }
  }

  void write() {
    wait();
    http::async_write(stream_, message_, [this](beast::error_code error, size_t) {
      if (good(error)) read();
    });
  }

  void read() {
    wait();
    http::async_read_some(stream_, buffer_, parser_, [this](beast::error_code error, size_t) {
      if (good(error) && !parser_.is_done()) read();
    });
  }

  FetchAnswer::End end_of(bool over) const {
    using End = FetchAnswer::End;
    if (over || error_ == beast::error::timeout) return End::kTooSlow;
    if (error_ == http::error::body_limit) return End::kTooLarge;
    if constexpr (std::is_same_v<Stream, Secure>) {
      // Not by the error: it is the first of several, as that of a signature's arithmetic.
      const bool good = SSL_get_verify_result(stream_.native_handle()) == X509_V_OK;
      if (error_ && !good) return End::kUntrusted;
    }
    if (!parser_.is_header_done()) return End::kNone;
    if (!parser_.is_done()) return End::kCut;
    const auto& fields = parser_.get();
    // Beast takes any encoding that ends in "chunked"; only the plain one has been undone.
    const bool chunked = beast::iequals(fields[http::field::transfer_encoding], "chunked");
    const bool known = chunked || (fields.count(http::field::content_length) == 1 &&
                                   fields.count(http::field::transfer_encoding) == 0);
    return known ? End::kWhole : End::kUnknown;
  }

  FetchAnswer answer(bool over) {
    FetchAnswer out;
    out.end = end_of(over);
    if (!parser_.is_header_done()) return out;
    auto fields = parser_.release();
    const auto text = [&](http::field name) {
      const auto value = fields[name];
      return std::string(value.data(), value.size());
    };
    out.status = static_cast<int>(fields.result_int());
    out.location = text(http::field::location);
    out.content_type = text(http::field::content_type);
    out.content_encoding = text(http::field::content_encoding);
    out.body = std::move(fields.body());
    return out;
  }

  const FetchRequest& request_;
  net::io_context& io_;
  Stream& stream_;
  tcp::resolver resolver_;
  http::request<http::empty_body> message_;
  http::response_parser<http::string_body> parser_;
  beast::flat_buffer buffer_;
  beast::error_code error_;
  std::optional<Error> refused_;
};

void trust(ssl::context& context, const fs::path& ca_file) {
  beast::error_code error;
  context.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                      ssl::context::no_sslv3 | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  context.set_verify_mode(ssl::verify_peer, error);
  if (!error && ca_file.empty()) context.set_default_verify_paths(error);
  if (!error && !ca_file.empty()) context.load_verify_file(ca_file.string(), error);
  if (!error) return;
  throw Error(ErrorCode::kInvalid, "the certificates to trust can't be read: " + error.message(),
              "ca-file is a PEM file of authorities", ca_file.string());
}

}  // namespace

FetchAnswer fetch(const FetchRequest& request) {
  net::io_context io;
  if (!request.url.tls) {
    Plain stream(io);
    return Exchange<Plain>(request, io, stream).run();
  }
  ssl::context context(ssl::context::tls_client);
  trust(context, request.ca_file);
  Secure stream(io, context);
  stream.set_verify_callback(ssl::host_name_verification(request.url.host));
  if (SSL_set_tlsext_host_name(stream.native_handle(), request.url.host.c_str()) != 1) return {};
  return Exchange<Secure>(request, io, stream).run();
}

}  // namespace lockstep
