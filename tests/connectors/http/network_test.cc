#include "connectors/http/network.h"

#include <arpa/inet.h>
#include <httplib.h>
#include <netinet/in.h>

#include <thread>

#include "connectors/http/http.h"
#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

AddressKind kind(const std::string& text) {
  sockaddr_storage storage{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    storage.ss_family = AF_INET;
  } else {
    REQUIRE(inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1);
    storage.ss_family = AF_INET6;
  }
  return kind_of(reinterpret_cast<const sockaddr&>(storage));
}

Error refusal(const std::string& host, int port, const NetworkRules& rules = {}) {
  try {
    checked_addresses(host, port, rules);
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::kConflict, "it was allowed");
}

// Counts who came, and may send them elsewhere.
class Server {
 public:
  Server() {
    server_.Get(".*", [this](const httplib::Request&, httplib::Response& out) {
      ++seen;
      out.set_content("here", "text/plain");
    });
    port = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~Server() {
    server_.stop();
    thread_.join();
  }
  int port = 0;
  std::atomic<int> seen{0};

 private:
  httplib::Server server_;
  std::thread thread_;
};

HttpResponse ask(const std::string& url, HttpOptions options) {
  HttpRequest request;
  request.url = parse_url(url);
  return HttpClient(std::move(options)).send(request);
}

}  // namespace

TEST_CASE("addresses: what they are, in every form that holds an IPv4 address") {
  for (const char* one : {"8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.0", "100.63.255.255",
                          "100.128.0.0", "11.0.0.0", "192.169.0.0", "2606:4700::1111",
                          "::ffff:8.8.8.8", "2002:808:808::1", "64:ff9b::8.8.8.8"}) {
    INFO(one);
    CHECK(kind(one) == AddressKind::kPublic);
  }
  for (const char* one : {"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1",
                          "2002:7f00:1::", "64:ff9b::127.0.0.1", "::127.0.0.1",
                          "::ffff:0:127.0.0.1", "2001:0:1:2:3:4:80ff:fffe"}) {
    INFO(one);
    CHECK(kind(one) == AddressKind::kLoopback);
  }
  for (const char* one : {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1",
                          "198.18.0.1", "192.0.2.1", "fc00::1", "fdff::1", "fec0::1",
                          "::ffff:10.0.0.1", "2002:a00:1::", "64:ff9b::192.168.0.1", "64:ff9b:1::1",
                          "2001:db8::1", "100::1", "4000::1"}) {
    INFO(one);
    CHECK(kind(one) == AddressKind::kPrivate);
  }
  for (const char* one : {"169.254.169.254", "169.254.0.1", "fe80::1", "febf::1", "fd00:ec2::254",
                          "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192",
                          "::ffff:169.254.169.254", "2002:a9fe:a9fe::"}) {
    INFO(one);
    CHECK(kind(one) == AddressKind::kLinkLocal);
  }
  for (const char* one : {"0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "255.255.255.255", "240.0.0.1",
                          "ff02::1", "::ffff:0.0.0.0"}) {
    INFO(one);
    CHECK(kind(one) == AddressKind::kNobody);
  }
}

TEST_CASE("hosts: every spelling of an inner address is refused, and says how to allow it") {
  for (const char* host :
       {"127.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "127.1", "localhost",
        "::1", "::ffff:127.0.0.1", "10.1", "0xa9fea9fe", "169.254.169.254", "::ffff:a9fe:a9fe"}) {
    INFO(host);
    CHECK(refusal(host, 80).code == ErrorCode::kDenied);
  }
  const Error said = refusal("2130706433", 8080);
  CHECK_THAT(said.message, Catch::Contains("2130706433:8080") && Catch::Contains("127.0.0.1"));
  CHECK_THAT(said.hint, Catch::Contains("network: {private: [2130706433]}"));
  CHECK(refusal("0.0.0.0", 80, {"0.0.0.0", 80, {"0.0.0.0"}}).code == ErrorCode::kDenied);
  CHECK(refusal("no-such-host.invalid", 80).code == ErrorCode::kUnavailable);
}

TEST_CASE("hosts: an address of the operator's own is meant, a name or another port is not") {
  const auto own = [](const std::string& host, int port) { return NetworkRules{host, port, {}}; };
  CHECK(checked_addresses("127.0.0.1", 5000, own("127.0.0.1", 5000)).at(0) == "127.0.0.1");
  CHECK(checked_addresses("10.1.2.3", 443, own("10.1.2.3", 443)).at(0) == "10.1.2.3");
  CHECK_FALSE(checked_addresses("LOCALHOST", 80, own("localhost", 80)).empty());
  CHECK(refusal("127.0.0.1", 6379, own("127.0.0.1", 5000)).code == ErrorCode::kDenied);
  CHECK(refusal("127.1", 80, own("127.1", 80)).code == ErrorCode::kDenied);  // resolved, no literal
  // Where clouds keep credentials nobody comes by a slip.
  CHECK(refusal("169.254.169.254", 80, own("169.254.169.254", 80)).code == ErrorCode::kDenied);
  CHECK(checked_addresses("169.254.169.254", 80, {"", 0, {"169.254.169.254"}}).size() == 1);
  CHECK_FALSE(checked_addresses("localhost", 80, {"", 0, {"localhost"}}).empty());
}

TEST_CASE("the client speaks to own and listed hosts, and connects to nobody else") {
  Server server;
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port) + "/";
  HttpOptions options;
  CHECK_THROWS_AS(ask(url, options), Error);
  CHECK_THROWS_AS(ask("http://localhost:" + std::to_string(server.port), options), Error);
  CHECK(server.seen == 0);
  options.network.own_host = "127.0.0.1";
  options.network.own_port = server.port;
  CHECK(ask(url, options).body == "here");
  options.network = {};
  options.network.listed = {"localhost"};
  // Where it has several addresses, nobody may listen at the first one.
  CHECK(ask("http://localhost:" + std::to_string(server.port) + "/", options).body == "here");
  CHECK(server.seen == 2);
}
