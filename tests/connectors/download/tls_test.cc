// Downloads over https from a server whose certificates are made here: who is trusted, and what
// may not follow.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>

#include "connectors/download/download.h"
#include "pipeline/base/error.h"
#include "pipeline/base/fd.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

template <auto kFree>
struct Freed {
  template <typename T>
  void operator()(T* what) const {
    kFree(what);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;

struct Signed {
  Key key;
  Certificate certificate;
};

void extend(X509* certificate, int what, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str());
  REQUIRE(extension);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// An authority of its own where `by` is null, else a server's of these names.
Signed make(const Signed* by, const std::string& names, long ends_in_s = 3600) {
  Signed out{Key(EVP_EC_gen("P-256")), Certificate(X509_new())};
  X509* made = out.certificate.get();
  X509_set_version(made, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made), by ? 2 : 1);
  X509_gmtime_adj(X509_getm_notBefore(made), -7200);
  X509_gmtime_adj(X509_getm_notAfter(made), ends_in_s);
  X509_set_pubkey(made, out.key.get());
  const auto* common = reinterpret_cast<const unsigned char*>(names.c_str());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8, common, -1, -1, 0);
  X509_set_issuer_name(made, X509_get_subject_name(by ? by->certificate.get() : made));
  extend(made, NID_basic_constraints, by ? "critical,CA:FALSE" : "critical,CA:TRUE");
  if (by) extend(made, NID_subject_alt_name, names);
  REQUIRE(X509_sign(made, (by ? by->key : out.key).get(), EVP_sha256()) > 0);
  return out;
}

fs::path written(const Signed& authority, const fs::path& file) {
  std::FILE* out = std::fopen(file.c_str(), "w");
  REQUIRE(out);
  PEM_write_X509(out, authority.certificate.get());
  std::fclose(out);
  return file;
}

// Answers each connection with the same bytes; without a certificate in clear text.
class Server {
 public:
  Server(const Signed* who, std::string answer, bool ends_well = true)
      : answer_(std::move(answer)),
        ends_well_(ends_well),
        listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (who) {
      context_.reset(SSL_CTX_new(TLS_server_method()));
      REQUIRE(SSL_CTX_use_certificate(context_.get(), who->certificate.get()) == 1);
      REQUIRE(SSL_CTX_use_PrivateKey(context_.get(), who->key.get()) == 1);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(bind(listener_.get(), any, size) == 0);
    REQUIRE(listen(listener_.get(), 16) == 0);
    getsockname(listener_.get(), any, &size);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    stop_ = true;
    thread_.join();
  }
  std::string url(const std::string& host = "localhost") const {
    return fmt::format("{}://{}:{}/d/sheet.csv?token=s3cret", context_ ? "https" : "http", host,
                       port);
  }
  int port = 0;
  std::atomic<int> requests{0};

 private:
  void serve() {
    while (!stop_) {
      pollfd ready{listener_.get(), POLLIN, 0};
      if (poll(&ready, 1, 20) != 1) continue;
      const Fd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      const timeval patience{2, 0};
      setsockopt(peer.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      char buffer[8192];
      if (!context_) {
        if (recv(peer.get(), buffer, sizeof buffer, 0) > 0) ++requests;
        send(peer.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
        continue;
      }
      const std::unique_ptr<SSL, Freed<SSL_free>> tls(SSL_new(context_.get()));
      SSL_set_fd(tls.get(), peer.get());
      if (SSL_accept(tls.get()) != 1 || SSL_read(tls.get(), buffer, sizeof buffer) <= 0) continue;
      ++requests;
      SSL_write(tls.get(), answer_.data(), static_cast<int>(answer_.size()));
      if (ends_well_) SSL_shutdown(tls.get());
    }
  }

  std::string answer_;
  bool ends_well_;
  Fd listener_;
  std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>> context_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

const std::string kBody = "id,text\r\n1,play\r\n";

std::string whole() {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", kBody.size(), kBody);
}

Error error_of(const std::string& url, const DownloadOptions& options) {
  try {
    download(url, options);
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("s3cret") == std::string::npos);
    return error;
  }
  return Error(ErrorCode::kConflict, "nothing was refused");
}

struct Bench {
  TempFolder folder;
  Signed authority = make(nullptr, "DNS:authority");
  DownloadOptions options;

  Bench() {
    options.stall_ms = 2000;
    options.limit_ms = 10'000;
    options.ca_file = written(authority, folder.path() / "ca.pem");
  }
};

}  // namespace

TEST_CASE("download over https: a trusted certificate for this host, by name and by address") {
  Bench bench;
  const Signed good = make(&bench.authority, "DNS:localhost,IP:127.0.0.1");
  Server server(&good, whole());
  CHECK(download(server.url(), bench.options) == kBody);
  CHECK(download(server.url("127.0.0.1"), bench.options) == kBody);
  CHECK(server.requests == 2);
}

TEST_CASE("download over https: another name, an expired one, an authority nobody knows") {
  Bench bench;
  const Signed good = make(&bench.authority, "DNS:localhost");
  const Signed other = make(&bench.authority, "DNS:sheets.example.org");
  const Signed expired = make(&bench.authority, "DNS:localhost", -60);
  const Signed stranger = make(nullptr, "DNS:authority");  // the same name, another key
  const Signed strange = make(&stranger, "DNS:localhost");
  for (const Signed* who : {&other, &expired, &strange}) {
    Server server(who, whole());
    const Error error = error_of(server.url(), bench.options);
    INFO(error.what());
    CHECK(error.code == ErrorCode::kDenied);
    CHECK(server.requests == 0);  // the address, which may hold a token, was not sent
  }
  Server server(&good, whole());
  CHECK(error_of(server.url("127.0.0.1"), bench.options).code == ErrorCode::kDenied);
  bench.options.ca_file.clear();  // the machine's authorities don't know ours
  CHECK(error_of(server.url(), bench.options).code == ErrorCode::kDenied);
  bench.options.ca_file = bench.folder.path() / "missing.pem";
  CHECK(error_of(server.url(), bench.options).code == ErrorCode::kInvalid);
  CHECK(server.requests == 0);
}

TEST_CASE("download over https: a redirect to clear text is not followed, one within https is") {
  Bench bench;
  const Signed good = make(&bench.authority, "DNS:localhost");
  const auto redirect = [](const std::string& to) {
    return "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + to + "\r\n\r\n";
  };
  Server clear(nullptr, whole());
  CHECK(download(clear.url("127.0.0.1"), bench.options) == kBody);
  CHECK(clear.requests == 1);
  Server down(&good, redirect(clear.url("127.0.0.1")));
  const Error refused = error_of(down.url(), bench.options);
  CHECK(refused.code != ErrorCode::kConflict);
  CHECK(down.requests == 1);
  CHECK(clear.requests == 1);
  Server end(&good, whole());
  Server across(&good, redirect(end.url()));
  CHECK(error_of(across.url(), bench.options).code == ErrorCode::kDenied);  // another port
  bench.options.network.listed = {"localhost"};
  CHECK(download(across.url(), bench.options) == kBody);
}

TEST_CASE("download over https: a connection that just ends") {
  Bench bench;
  const Signed good = make(&bench.authority, "DNS:localhost");
  Server cut(&good, whole().substr(0, whole().size() - 3), false);
  const Error error = error_of(cut.url(), bench.options);
  CHECK((error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kUnavailable));
  // Whole by its length: that the farewell is missing takes nothing away.
  Server rude(&good, whole(), false);
  CHECK(download(rude.url(), bench.options) == kBody);
}
