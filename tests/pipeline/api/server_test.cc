// The server and the client over a real Unix socket: round trips, hostile heads, peers, waiters.
#include "pipeline/api/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <fstream>
#include <thread>

#include "pipeline/api/client.h"
#include "pipeline/api/peer.h"
#include "tests/catch.h"
#include "tests/fake/backend.h"

using namespace lockstep;
using namespace std::chrono_literals;

namespace {

struct Served {
  explicit Served(ServerLimits limits = {}) : server(api, path, limits) { server.start(); }

  ApiResponse get(const std::string& target) const {
    ApiRequest request{"GET", "", {}, {}, ""};
    read_target(target, request);
    return ApiClient(path).call(request);
  }

  TempFolder folder;
  fs::path path = folder.path() / "api.sock";
  FakeBackend backend;
  Api api{backend};
  ApiServer server;
};

int connected(const fs::path& path) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  if (connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

// Sends raw bytes and reads to the end of the connection.
std::string raw(const fs::path& path, const std::string& bytes) {
  int fd = connected(path);
  REQUIRE(fd >= 0);
  (void)!send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  shutdown(fd, SHUT_WR);
  std::string out;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) out.append(buffer, n);
  close(fd);
  return out;
}

int status_of(const std::string& answer) {
  return answer.rfind("HTTP/1.1 ", 0) == 0 ? std::stoi(answer.substr(9, 3)) : 0;
}

// Lets waiting backends go on all at once.
class Latch {
 public:
  void wait() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  bool wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return waiting_ >= count; });
  }
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t waiting_ = 0;
  bool open_ = false;
};

}  // namespace

TEST_CASE("client and server carry requests, answers, errors and the peer's name") {
  Served served;
  served.backend.answers["models"] = {{{{"name", "intent-client-3"}}}};
  served.backend.errors.insert_or_assign("lag", Error(ErrorCode::kConflict, "no", "hint", "there"));
  CHECK(served.get("/v1/models").body == Json::array({{{"name", "intent-client-3"}}}));
  ApiResponse lag = served.get("/v1/lag");
  CHECK(lag.status == 409);
  CHECK(lag.body["error"]["where"] == "there");
  ApiRequest pin{
      "POST", api_path({"v1", "models", "a/b", "pin"}), {}, {{"reason", "ö"}}, "mallory"};
  CHECK(ApiClient(served.path).call(pin).status == 200);
  CHECK(served.backend.last().arguments["model"] == "a/b");
  CHECK(served.backend.last().caller.user == user_name(geteuid()));
  CHECK(served.backend.last().caller.reason == "ö");
}

TEST_CASE("the socket is its owner's alone") {
  Served served;
  struct stat info {};
  REQUIRE(stat(served.path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  CHECK(peer_allowed(1000, 1000));
  CHECK(peer_allowed(0, 1000));
  CHECK_FALSE(peer_allowed(1001, 1000));
  CHECK_FALSE(peer_allowed(1000, 0));
}

TEST_CASE("another user is turned away even where the file would let him in") {
  if (geteuid() != 0) return;  // only root can become somebody else
  Served served;
  chmod(served.path.c_str(), 0666);
  chmod(served.folder.path().c_str(), 0755);
  pid_t child = fork();
  if (child == 0) {
    char buffer[2000] = {};
    // By a relative name: the folders above may be closed to him.
    if (chdir(served.folder.path().c_str()) != 0 || setuid(65534) != 0) _exit(9);
    int fd = connected(served.path.filename());
    bool told = fd >= 0 && read(fd, buffer, sizeof buffer - 1) > 0 &&
                std::strstr(buffer, "403 Forbidden") && std::strstr(buffer, "belongs to");
    _exit(told ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(served.backend.asked().empty());
}

TEST_CASE("hostile heads are refused and nothing behind them runs") {
  Served served;
  const std::string kGet = "GET /v1/status HTTP/1.1\r\n";
  const std::string kPost = "POST /v1/gc HTTP/1.1\r\nHost: x\r\n";
  const std::pair<std::string, int> kHostile[] = {
      {kGet + "\r\n", 400},                                           // no Host
      {kGet + "Host: a\r\nHost: b\r\n\r\n", 400},                     // two
      {kGet + "Host: a\r\nX: 1\r\n 2\r\n\r\n", 400},                  // obs-fold
      {kGet + "Host: a\r\nX: 1\r\n\t2\r\n\r\n", 400},                 //
      {kGet + "Host : a\r\n\r\n", 400},                               //
      {kPost + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 411},  //
      {kPost + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 411},
      {kPost + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}", 400},
      {kPost + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", 400},
      {kPost + "Content-Length: -1\r\n\r\n", 400},
      {kPost + "Content-Length: 8388609\r\n\r\n", 413},
      {kPost + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 415},
      {kPost + "Content-Length: 1\r\n\r\n{", 400},
      {kPost + "Content-Length: 65\r\n\r\n" + std::string(65, '['), 400},
      {"GET /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 400},
      {"DELETE /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", 405},
      {"CONNECT /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", 405},
      {"GET /v1/status?x=%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET http://evil/v1/status HTTP/1.1\r\nHost: x\r\n\r\n", 404},
      {"GET /v1/status HTTP/3.7\r\nHost: x\r\n\r\n", 400},
      {"\x16\x03\x01\x02\r\n\r\n", 400},
      {kGet + "Host: x\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n", 431},
      {std::string(20'000, 'a'), 431},
      {kGet + "Host: x\n\n", 0},  // bare line feeds: no head ever ends
      {"", 0},
  };
  for (const auto& [bytes, status] : kHostile) {
    INFO(bytes.substr(0, 120));
    CHECK(status_of(raw(served.path, bytes)) == status);
  }
  CHECK(served.backend.asked().empty());
  CHECK(served.get("/v1/status").status == 200);
}

TEST_CASE("requests follow each other on one connection") {
  Served served;
  std::string two =
      "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
      "POST /v1/gc HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n"
      "{\"dry_run\":true}";
  std::string answer = raw(served.path, two);
  CHECK(answer.find("HTTP/1.1 200 OK", 20) != std::string::npos);
  auto asked = served.backend.asked();
  REQUIRE(asked.size() == 2);
  CHECK(asked[0].name == "status");
  CHECK(asked[1].caller.dry_run);
}

TEST_CASE("sixty-four who wait do not keep the next one from an answer") {
  Latch latch;
  Served served;
  served.backend.before = [&](const std::string& method) {
    if (method == "run") latch.wait();
  };
  std::vector<std::thread> waiters;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 80; ++i) {  // sixteen more than there are workers: they stand in line
    waiters.emplace_back([&] {
      if (served.get("/v1/runs/7?wait_ms=30000").status == 200) ++answered;
    });
  }
  CHECK(latch.wait_for(64));
  CHECK(served.get("/v1/status").status == 200);
  CHECK(answered == 0);
  latch.open();
  for (std::thread& waiter : waiters) waiter.join();
  CHECK(answered == 80);
}

TEST_CASE("those who send slowly are dropped and block nobody; too many are told") {
  Served served({.read = 2s, .connections = 70});
  std::vector<int> slow;
  for (int i = 0; i < 64; ++i) {
    slow.push_back(connected(served.path));
    CHECK(send(slow.back(), "GET /v1", 7, MSG_NOSIGNAL) == 7);
  }
  CHECK(served.get("/v1/status").status == 200);
  for (int i = 0; i < 6; ++i) slow.push_back(connected(served.path));
  ApiResponse told = served.get("/v1/status");
  CHECK(told.status == 503);
  CHECK(told.body["error"]["message"] == "the daemon has too many connections");
  char byte;
  for (int fd : slow) {
    while (read(fd, &byte, 1) > 0) {  // told, if the answer above was still being closed
    }
    close(fd);  // it has ended: the server dropped it
  }
  CHECK(served.get("/v1/status").status == 200);
}

TEST_CASE("a socket file is replaced only when nobody answers on it") {
  TempFolder folder;
  fs::path path = folder.path() / "api.sock";
  FakeBackend backend;
  Api api(backend);
  CHECK_FALSE(socket_answers(path));
  int stale = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  REQUIRE(bind(stale, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
  close(stale);
  {
    ApiServer first(api, path);
    first.start();
    CHECK(socket_answers(path));
    ApiServer second(api, path);
    CHECK_THROWS_WITH(second.start(), Catch::Contains("a daemon already serves this socket"));
    CHECK(socket_answers(path));
  }
  CHECK_FALSE(fs::exists(path));
  std::ofstream(path) << "precious";
  ApiServer third(api, path);
  CHECK_THROWS_WITH(third.start(), Catch::Contains("there is a file where the socket belongs"));
  CHECK(fs::file_size(path) == 8);
}

TEST_CASE("a workspace may lie deeper than a socket address is long") {
  TempFolder folder;
  fs::path deep = folder.path() / std::string(100, 'd') / std::string(100, 'e');
  fs::create_directories(deep);
  FakeBackend backend;
  Api api(backend);
  ApiServer server(api, deep / "api.sock");
  server.start();
  CHECK(socket_answers(deep / "api.sock"));
  CHECK(ApiClient(deep / "api.sock").call({"GET", "/v1/status", {}, {}, ""}).status == 200);
  CHECK(fs::exists(deep / "api.sock"));
}

TEST_CASE("a worker does not wait for somebody who has hung up") {
  Served served({.slow_workers = 1});
  served.backend.waits = true;
  const std::string ask = "GET /v1/runs/7?wait_ms=30000 HTTP/1.1\r\nHost: x\r\n\r\n";
  int fd = connected(served.path);
  REQUIRE(fd >= 0);
  CHECK(send(fd, ask.data(), ask.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(ask.size()));
  SECTION("who is done with sending still listens") {
    shutdown(fd, SHUT_WR);
    std::this_thread::sleep_for(100ms);
    CHECK(served.backend.asked().empty());
    served.backend.waits = false;
    char buffer[64] = {};
    CHECK(read(fd, buffer, sizeof buffer - 1) > 0);
    CHECK(std::string(buffer).starts_with("HTTP/1.1 200"));
    close(fd);
  }
  SECTION("closed: the one worker is free for the next") {
    close(fd);
    for (int i = 0; i < 500 && served.backend.asked().empty(); ++i)
      std::this_thread::sleep_for(10ms);
    CHECK(served.backend.asked().size() == 1);
    served.backend.waits = false;
    CHECK(served.get("/v1/runs/8").status == 200);
  }
  served.backend.waits = false;
}

TEST_CASE("stopping lets a running handler answer") {
  Latch latch;
  auto served = std::make_unique<Served>();
  served->backend.before = [&](const std::string& method) {
    if (method == "run") latch.wait();
  };
  std::atomic<int> status = 0;
  std::thread waiter([&] { status = served->get("/v1/runs/7?wait_ms=1000").status; });
  CHECK(latch.wait_for(1));
  std::thread stopper([&] { served->server.stop(); });
  latch.open();
  stopper.join();
  waiter.join();
  CHECK(status == 200);
}

TEST_CASE("the client says why there is no answer") {
  TempFolder folder;
  ApiRequest status{"GET", "/v1/status", {}, {}, ""};
  CHECK_THROWS_WITH(ApiClient(folder.path() / "none").call(status),
                    Catch::Contains("no daemon answers"));
  Latch latch;  // outlives the server, whose handler still waits on it when the test ends
  Served served;
  served.backend.before = [&](const std::string&) { latch.wait(); };
  ClientTimes short_times{.read = 50ms};
  CHECK_THROWS_WITH(ApiClient(served.path, short_times).call(status),
                    Catch::Contains("gave no answer in time"));
  latch.open();
}
