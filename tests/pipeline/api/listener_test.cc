// The API on a TCP address: tokens, hosts, TLS, and those who have no business there.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "pipeline/api/remote.h"
#include "pipeline/api/server.h"
#include "pipeline/base/process.h"
#include "tests/catch.h"
#include "tests/fake/backend.h"

using namespace lockstep;
using namespace std::chrono_literals;

namespace {

struct Listening {
  explicit Listening(bool tls = false, size_t of_address = 64)
      : server(api, folder.path() / "socket", limits(), &feed) {
    Listener listener{"127.0.0.1", 0, {"localhost", "127.0.0.1"}, {}, {}, 256, of_address};
    if (tls) {
      make_certificate();
      listener.certificate = folder.path() / "cert.pem";
      listener.key = folder.path() / "key.pem";
    }
    port = server.listen(listener, tokens);
    server.start();
    token = tokens.create("ci", "operator", std::nullopt, "ann", 1).at("token");
  }

  static ServerLimits limits() {
    ServerLimits limits;
    limits.heartbeat = 100ms;
    return limits;
  }

  void make_certificate() const {
    ProcessRequest openssl;
    openssl.argv = {"openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                    "-days",
                    "2",
                    "-subj",
                    "/CN=localhost",
                    "-addext",
                    "subjectAltName=DNS:localhost",
                    "-keyout",
                    (folder.path() / "key.pem").string(),
                    "-out",
                    (folder.path() / "cert.pem").string()};
    REQUIRE(run_process(openssl).ok());
  }

  int connected() const {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(port);
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&place), sizeof place) == 0);
    return fd;
  }

  // Sends these bytes and reads to the end.
  std::string raw(const std::string& bytes) const {
    int fd = connected();
    (void)!send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    std::string out;
    char piece[4096];
    for (ssize_t got; (got = recv(fd, piece, sizeof piece, 0)) > 0;)
      out.append(piece, static_cast<size_t>(got));
    close(fd);
    return out;
  }
  std::string status(const std::string& head) const { return raw(head).substr(9, 3); }
  std::string bearer() const { return "Authorization: Bearer " + token + "\r\n"; }

  TempFolder folder;
  FakeBackend backend;
  Api api{backend};
  Tokens tokens{folder.path() / "tokens.json"};
  EventFeed feed;
  ApiServer server;
  uint16_t port = 0;
  std::string token;
};

const std::string kGet = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";

ApiRequest ask(const std::string& method, const std::string& path) {
  return {method, path, {}, Json::object(), ""};
}

}  // namespace

TEST_CASE("over the network a token says who asks") {
  Listening served;
  CHECK(served.status(kGet + served.bearer() + "\r\n") == "200");
  ApiCall call = remote_api({"http://localhost:" + std::to_string(served.port), served.token, ""});
  CHECK(call(ask("GET", "/v1/status")).status == 200);
  CHECK(call(ask("POST", "/v1/gc")).status == 200);
  CHECK(served.backend.last().caller.user == "ci");
  CHECK(call(ask("POST", "/v1/release/rollback")).status == 403);
  served.tokens.revoke("ci", "ann", 2);
  CHECK(call(ask("GET", "/v1/status")).status == 401);
}

TEST_CASE("who has no token that is good learns nothing") {
  Listening served;
  for (const std::string& header :
       {std::string(), std::string("Authorization: Bearer lst_0\r\n"),
        "Authorization: Basic " + served.token + "\r\n", "Authorization: " + served.token + "\r\n",
        "Authorization: bearer " + served.token + "\r\n", served.bearer() + served.bearer(),
        "X-Token: " + served.token + "\r\n", "Cookie: token=" + served.token + "\r\n"}) {
    CAPTURE(header);
    CHECK(served.status(kGet + header + "\r\n") == "401");
  }
  // Nor whether a route is there; and a body is not waited for.
  CHECK(served.status("GET /v1/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n") == "401");
  CHECK(served.status("POST /v1/gc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8000000\r\n"
                      "\r\n") == "401");
  CHECK(served.raw(kGet + "\r\n").find("WWW-Authenticate: Bearer") != std::string::npos);
  CHECK(served.status("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") == "200");
  // A token in the address is none, and is not taken for one.
  CHECK(served.status("GET /v1/status?token=" + served.token +
                      " HTTP/1.1\r\nHost: localhost\r\n\r\n") == "401");
}

TEST_CASE("another Host, a browser's page, and heads that may be read in two ways are refused") {
  Listening served;
  auto with = [&](const std::string& head) {
    return served.status("GET /v1/status HTTP/1.1\r\n" + head + served.bearer() + "\r\n");
  };
  CHECK(with("Host: localhost:1234\r\n") == "200");
  CHECK(with("Host: LOCALHOST\r\n") == "200");
  CHECK(with("Host: evil.example.com\r\n") == "421");
  CHECK(with("Host: localhost.evil.example.com\r\n") == "421");
  CHECK(with("Host: 127.0.0.2\r\n") == "421");
  CHECK(with("Host: [::1]\r\n") == "421");
  CHECK(with("Host:\r\n") == "421");
  CHECK(with("") == "400");
  CHECK(with("Host: localhost\r\nHost: localhost\r\n") == "400");
  CHECK(with("Host: localhost\r\nOrigin: https://evil.example.com\r\n") == "403");
  CHECK(with("Host: localhost\r\nOrigin: null\r\n") == "403");
  CHECK(with("Host: localhost\r\nTransfer-Encoding: xchunked\r\n") == "411");
  CHECK(with("Host: localhost\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n") == "400");
  CHECK(with("Host: localhost\r\nX: a\r\n b\r\n") == "400");
}

TEST_CASE("one address has a limited number of connections") {
  Listening served(false, 4);
  std::vector<int> held;
  for (int i = 0; i < 4; ++i) held.push_back(served.connected());
  std::string answer;
  for (int i = 0; i < 100 && answer.substr(0, 12) != "HTTP/1.1 503"; ++i) {
    answer = served.raw(kGet + served.bearer() + "\r\n");
    std::this_thread::sleep_for(10ms);
  }
  CHECK(answer.substr(0, 12) == "HTTP/1.1 503");
  for (int fd : held) close(fd);
  for (int i = 0; i < 100 && answer.substr(9, 3) != "200"; ++i) {
    answer = served.raw(kGet + served.bearer() + "\r\n");
    std::this_thread::sleep_for(10ms);
  }
  CHECK(answer.substr(9, 3) == "200");
}

TEST_CASE("who follows by a token that is revoked is let go at the next heartbeat") {
  Listening served;
  int fd = served.connected();
  timeval patience{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const std::string request =
      "GET /events HTTP/1.1\r\nHost: localhost\r\n" + served.bearer() + "\r\n";
  REQUIRE(send(fd, request.data(), request.size(), MSG_NOSIGNAL) == ssize_t(request.size()));
  std::string all;
  auto more = [&] {
    char piece[4096];
    ssize_t got = recv(fd, piece, sizeof piece, 0);
    if (got > 0) all.append(piece, static_cast<size_t>(got));
    return got > 0;
  };
  while (all.find(":\n\n:\n\n") == all.npos && more()) {
  }
  REQUIRE(all.find(":\n\n:\n\n") != all.npos);  // two heartbeats: it is still known
  served.tokens.revoke("ci", "ann", 2);
  const size_t then = all.size();
  while (more()) {
  }
  CHECK(all.size() <= then + 6);  // one or two heartbeats may have been under way
  CHECK(recv(fd, all.data(), 1, 0) == 0);
  close(fd);
}

TEST_CASE("over TLS, verified") {
  Listening served(true);
  std::string url = "https://localhost:" + std::to_string(served.port);
  std::string ca = (served.folder.path() / "cert.pem").string();
  CHECK(remote_api({url, served.token, ca})(ask("GET", "/v1/status")).status == 200);
  CHECK(remote_api({url, "lst_wrong", ca})(ask("GET", "/v1/status")).status == 401);
  auto code = [&](const RemoteServer& server) {
    try {
      remote_api(server)(ask("GET", "/v1/status"));
    } catch (const Error& error) {
      return std::string(word(error.code));
    }
    return std::string();
  };
  CHECK(code({url, served.token, ""}) == "unavailable");  // not signed by whom we trust
  CHECK(code({"https://127.0.0.1:" + std::to_string(served.port), served.token, ca}) ==
        "unavailable");  // made out to another name
  CHECK(code({"http://example.org", served.token, ""}) == "invalid");
  CHECK(code({"https://user@localhost", served.token, ""}) == "invalid");
  CHECK(code({"ftp://localhost", served.token, ""}) == "invalid");
  // Plain HTTP there is no HTTP.
  CHECK(served.raw(kGet + served.bearer() + "\r\n").find("200 OK") == std::string::npos);
}

TEST_CASE("a listener that can't be is refused with its reason") {
  Listening served;
  Listener listener{"127.0.0.1", served.port, {"localhost"}, {}, {}};
  ApiServer other(served.api, served.folder.path() / "other");
  CHECK_THROWS_WITH(other.listen(listener, served.tokens), Catch::Contains("can't listen on"));
  listener.port = 0;
  listener.certificate = listener.key = served.folder.path() / "nothing.pem";
  CHECK_THROWS_WITH(other.listen(listener, served.tokens), Catch::Contains("certificate"));
}
