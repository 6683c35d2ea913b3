// What is downloaded is whole, from where it should be, and no message holds a token.
#include "connectors/download/download.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

// Answers each connection with exactly the bytes that `answer` gives for its request, then closes.
class RawServer {
 public:
  using Answer = std::function<std::string(const std::string& request)>;

  explicit RawServer(Answer answer) : answer_(std::move(answer)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(listener_, 16) == 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~RawServer() {
    stop_ = true;
    thread_.join();
    close(listener_);
  }
  std::string url(const std::string& target = "/d/sheet.csv?token=s3cret") const {
    return fmt::format("http://127.0.0.1:{}{}", port_, target);
  }
  // What the answers are made of is changed between two of them.
  void change(const std::function<void()>& how) {
    std::lock_guard lock(mutex_);
    how();
  }
  void slow_down(size_t piece, int pause_ms) {
    change([&] { piece_ = piece, pause_ms_ = pause_ms; });
  }
  std::vector<std::string> requests() {
    std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    while (!stop_) {
      pollfd ready{listener_, POLLIN, 0};
      if (poll(&ready, 1, 20) != 1) continue;
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      std::string request;
      char buffer[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0) break;
        request.append(buffer, static_cast<size_t>(got));
      }
      std::unique_lock lock(mutex_);
      requests_.push_back(request);
      const std::string bytes = answer_(request);
      const size_t piece = piece_;
      const int pause_ms = pause_ms_;
      lock.unlock();
      // In pieces, so that a download that takes too long can be told from one that hangs.
      for (size_t at = 0; at < bytes.size(); at += piece) {
        send(fd, bytes.data() + at, std::min(piece, bytes.size() - at), MSG_NOSIGNAL);
        if (pause_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
      }
      close(fd);
    }
  }

  Answer answer_;
  size_t piece_ = 1 << 20;
  int pause_ms_ = 0;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

DownloadOptions quick() {
  DownloadOptions options;
  options.stall_ms = 2000;
  options.limit_ms = 10'000;
  return options;
}

std::string with_length(const std::string& body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: {}\r\n\r\n{}",
                     body.size(), body);
}

Error error_of(const std::string& url, const DownloadOptions& options = quick()) {
  try {
    download(url, options);
  } catch (const Error& error) {
    const std::string text = error.message + error.hint + error.where;
    CHECK(text.find("s3cret") == text.npos);
    CHECK(text.find("token") == text.npos);
    return error;
  }
  return Error(ErrorCode::kConflict, "nothing was refused");
}

const std::string kBody = "id,text\r\n1,play\r\n2,stop\r\n";

}  // namespace

TEST_CASE("download: a whole body arrives, with a length or in chunks") {
  RawServer server([](const std::string& request) {
    if (request.find("/chunks") == request.npos) return with_length(kBody);
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n" + kBody.substr(0, 9) +
           fmt::format("\r\n{:x}\r\n", kBody.size() - 9) + kBody.substr(9) + "\r\n0\r\n\r\n";
  });
  CHECK(download(server.url(), quick()) == kBody);
  CHECK(download(server.url("/chunks?token=s3cret"), quick()) == kBody);
  CHECK_THAT(server.requests()[0], Catch::StartsWith("GET /d/sheet.csv?token=s3cret HTTP/1.1"));
}

TEST_CASE("download: cut at any length, it is refused") {
  const bool chunked = GENERATE(false, true);
  const std::string whole = chunked
                                ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                                      fmt::format("{:x}\r\n{}\r\n0\r\n\r\n", kBody.size(), kBody)
                                : with_length(kBody);
  size_t length = 0;
  RawServer server([&](const std::string&) { return whole.substr(0, length); });
  for (size_t at = 0; at < whole.size(); ++at) {
    server.change([&] { length = at; });
    INFO(at << " of " << whole.size());
    const Error error = error_of(server.url());
    CHECK((error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kCorrupt));
  }
  server.change([&] { length = whole.size(); });
  CHECK(download(server.url(), quick()) == kBody);
}

TEST_CASE("download: a body without a known end, in another encoding, or a web page") {
  std::string head;
  RawServer server(
      [&](const std::string&) { return "HTTP/1.1 200 OK\r\n" + head + "\r\n" + kBody; });
  CHECK(error_of(server.url()).code == ErrorCode::kCorrupt);
  const std::string length = fmt::format("Content-Length: {}\r\n", kBody.size());
  server.change([&] { head = length + "Content-Encoding: gzip\r\n"; });
  CHECK_THAT(error_of(server.url()).message, Catch::Contains("comes compressed"));
  server.change([&] { head = length + "Content-Type: Text/HTML; charset=utf-8\r\n"; });
  CHECK_THAT(error_of(server.url()).message,
             Catch::Contains("/d/sheet.csv is a web page, not CSV"));
  server.change([&] { head = length + "Content-Encoding: identity\r\n"; });
  CHECK(download(server.url(), quick()) == kBody);
}

TEST_CASE("download: answers that are no sheet") {
  int status = 0;
  RawServer server([&](const std::string&) {
    return fmt::format("HTTP/1.1 {} X\r\nContent-Length: 2\r\n\r\nno", status);
  });
  const std::vector<std::pair<int, ErrorCode>> cases = {
      {401, ErrorCode::kDenied},      {403, ErrorCode::kDenied},
      {404, ErrorCode::kNotFound},    {410, ErrorCode::kNotFound},
      {500, ErrorCode::kUnavailable}, {503, ErrorCode::kUnavailable},
      {206, ErrorCode::kUnavailable}, {204, ErrorCode::kUnavailable}};
  for (const auto& [answer, code] : cases) {
    server.change([&, now = answer] { status = now; });
    INFO(answer);
    CHECK(error_of(server.url()).code == code);
  }
}

TEST_CASE("download: too large, too slow, nobody there") {
  const std::string big(5000, 'x');
  RawServer server([&](const std::string&) { return with_length(big); });
  DownloadOptions options = quick();
  options.max_bytes = 4999;
  CHECK_THAT(error_of(server.url(), options).message, Catch::Contains("is larger than 4999 bytes"));
  options.max_bytes = 5000;
  CHECK(download(server.url(), options) == big);
  server.slow_down(100, 10);
  options.limit_ms = 100;
  CHECK_THAT(error_of(server.url(), options).message, Catch::Contains("did not answer in time"));
  std::string gone;
  {
    RawServer other([](const std::string&) { return std::string(); });
    gone = other.url();
  }
  CHECK(error_of(gone).code == ErrorCode::kUnavailable);
}

TEST_CASE("download: redirects are few, and never leave https or this machine in clear text") {
  RawServer end([](const std::string&) { return with_length(kBody); });
  std::string to;
  RawServer server([&](const std::string& request) {
    const bool last = request.find("GET /last") == 0;
    return last ? with_length(kBody)
                : "HTTP/1.1 302 Found\r\nLocation: " + to + "\r\nContent-Length: 0\r\n\r\n";
  });
  DownloadOptions options = quick();
  options.username = "ann";
  options.password = "pass";
  server.change([&] { to = "/last?token=s3cret"; });
  CHECK(download(server.url(), options) == kBody);
  CHECK_THAT(server.requests().back(), Catch::Contains("Authorization: Basic YW5uOnBhc3M="));
  // Another port of this machine is no part of what the operator wrote.
  server.change([&] { to = end.url(); });
  const Error inner = error_of(server.url());
  CHECK(inner.code == ErrorCode::kDenied);
  CHECK_THAT(inner.message, Catch::Contains("127.0.0.1 is of this machine itself"));
  CHECK(end.requests().empty());
  options.network.listed = {"127.0.0.1"};
  CHECK(download(server.url(), options) == kBody);
  CHECK(end.requests().back().find("Authorization") == std::string::npos);
  options.username = "";
  server.change([&] { to = "/last"; });
  CHECK(download(server.url(), options) == kBody);
  CHECK_THAT(server.requests().back(), Catch::Contains("Authorization: Bearer pass"));
  server.change([&] { to = server.url(); });
  CHECK_THAT(error_of(server.url()).message, Catch::Contains("redirects without end"));
  CHECK(error_of("http://sheets.example.org/d?token=s3cret").code == ErrorCode::kInvalid);
  for (const char* bad : {"http://sheets.example.org/d?token=s3cret", "ftp://127.0.0.1/s3cret", "",
                          "file:///etc/passwd?s3cret", "http://a@127.0.0.1/?s3cret"}) {
    server.change([&] { to = bad; });
    INFO(bad);
    CHECK(error_of(server.url()).code != ErrorCode::kConflict);
  }
}

TEST_CASE("download: what is shown of an address") {
  CHECK(shown_url("https://sheets.example.org/d/1/export?format=csv&token=s3cret#gid=0") ==
        "sheets.example.org/d/1/export");
  CHECK(shown_url("https://ann:s3cret@example.org/a") == "example.org/a");
  CHECK(shown_url("https://example.org") == "example.org");
}
