// Following events and logs over a connection: nothing lost, nothing twice, nobody waited for.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "pipeline/api/client.h"
#include "pipeline/api/server.h"
#include "tests/catch.h"
#include "tests/fake/backend.h"

using namespace lockstep;
using namespace std::chrono_literals;

namespace {

Event event(int64_t id, size_t bytes = 0) {
  return {id, "note",
          "{\"n\":" + std::to_string(id) + ",\"x\":\"" + std::string(bytes, 'x') + "\"}"};
}

struct Followed {
  explicit Followed(std::chrono::milliseconds write = 20s)
      : server(api, path, limits(write), &feed) {
    server.start();
  }

  static ServerLimits limits(std::chrono::milliseconds write) {
    ServerLimits limits;
    limits.heartbeat = 100ms;
    limits.write = write;
    return limits;
  }

  // Events 1 … n are in the store; those behind `in_memory` are published as well.
  void happen(int64_t from, int64_t to, size_t bytes = 0) {
    std::vector<Event> fresh;
    for (int64_t id = from; id <= to; ++id) {
      backend.keep_event(event(id, bytes));
      fresh.push_back(event(id, bytes));
    }
    feed.publish(fresh);
  }

  TempFolder folder;
  fs::path path = folder.path() / "api.sock";
  FakeBackend backend;
  EventFeed feed{64};
  Api api{backend};
  ApiServer server;
};

class Connection {
 public:
  Connection(const fs::path& path, const std::string& target, const std::string& headers = "")
      : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
    REQUIRE(connect(fd_, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
    timeval patience{10, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const std::string request = "GET " + target + " HTTP/1.1\r\nHost: lockstep\r\n" + headers +
                                "Accept: text/event-stream\r\n\r\n";
    (void)!send(fd_, request.data(), request.size(), MSG_NOSIGNAL);
  }
  ~Connection() { close(fd_); }

  // Reads on until all that came holds `text`, or the connection ends.
  const std::string& until(const std::string& text) {
    char buffer[65536];
    // What was searched is not searched again, but for an end that `text` may begin in.
    for (size_t from = 0; all_.find(text, from) == all_.npos;) {
      from = all_.size() - std::min(all_.size(), text.size());
      ssize_t n = read(fd_, buffer, sizeof buffer);
      if (n <= 0) break;
      all_.append(buffer, static_cast<size_t>(n));
    }
    return all_;
  }
  const std::string& rest() { return until("\001 never"); }
  // Numbers of the events of `kind` that came so far, in their order.
  std::vector<int64_t> ids(const std::string& kind = "note") const {
    std::vector<int64_t> out;
    const std::string mark = "\nevent: " + kind + "\n";
    for (size_t at = all_.find(mark); at != all_.npos; at = all_.find(mark, at + 1)) {
      out.push_back(std::stoll(all_.substr(all_.rfind("id: ", at) + 4)));
    }
    return out;
  }

 private:
  int fd_;
  std::string all_;
};

std::vector<int64_t> numbers(int64_t from, int64_t to) {
  std::vector<int64_t> out;
  for (int64_t n = from; n <= to; ++n) out.push_back(n);
  return out;
}

}  // namespace

TEST_CASE("who follows is told what happens from then on") {
  Followed served;
  served.happen(1, 3);
  Connection follower(served.path, "/events");
  const std::string& head = follower.until("id: 3\n\n");
  CHECK(head.rfind("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n", 0) == 0);
  served.happen(4, 5);
  served.happen(6, 6);
  follower.until("\"n\":6,");
  CHECK(follower.ids() == numbers(4, 6));
  CHECK(follower.until("\n:\n\n").find("\n:\n\n") != std::string::npos);  // a heartbeat
  CHECK(served.server.followers() == 1);
}

TEST_CASE("Last-Event-ID resumes exactly, out of the store and out of memory") {
  Followed served;
  served.happen(1, 1000);  // 64 of them are in memory
  for (int64_t last : {0, 1, 700, 935, 936, 937, 999}) {
    Connection follower(served.path, "/events", "Last-Event-ID: " + std::to_string(last) + "\r\n");
    follower.until("\"n\":1000,");
    CHECK(follower.ids() == numbers(last + 1, 1000));
  }
  Connection follower(served.path, "/events?after=998");
  follower.until("\"n\":1000,");
  CHECK(follower.ids() == numbers(999, 1000));
}

TEST_CASE("while events pour in, each follower gets each of them once") {
  Followed served;
  served.happen(1, 500);
  std::thread engine([&] {
    for (int64_t id = 501; id <= 3000; id += 5) {
      served.happen(id, id + 4);
      std::this_thread::sleep_for(200us);
    }
  });
  std::vector<std::unique_ptr<Connection>> all;
  for (int64_t last : {0, 100, 499, 500}) {
    all.push_back(std::make_unique<Connection>(served.path, "/events",
                                               "Last-Event-ID: " + std::to_string(last) + "\r\n"));
  }
  engine.join();
  size_t at = 0;
  for (int64_t last : {0, 100, 499, 500}) {
    Connection& follower = *all[at++];
    // Who fell out of the memory is told, and goes on from there.
    follower.until("\"n\":3000,");
    std::vector<int64_t> ids = follower.ids();
    const int64_t newest = ids.empty() ? last : ids.back();  // one may fall out before its first
    CHECK(ids == numbers(last + 1, newest));
    bool dropped = !follower.ids("dropped").empty();
    CHECK((newest == 3000 || dropped));
    if (dropped) CHECK(follower.ids("dropped") == std::vector<int64_t>{newest});
  }
}

TEST_CASE("an id that is no longer kept, or never was given, is one reset") {
  Followed served;
  served.happen(1, 200);
  served.backend.kept.erase(served.backend.kept.begin(), served.backend.kept.begin() + 120);
  Connection old(served.path, "/events", "Last-Event-ID: 50\r\n");
  old.until("\"n\":200,");
  CHECK(old.ids("reset") == std::vector<int64_t>{120});
  CHECK(old.ids() == numbers(121, 200));
  Connection other(served.path, "/events", "Last-Event-ID: 900\r\n");
  other.until("event: reset");
  served.happen(201, 201);
  other.until("\"n\":201,");
  CHECK(other.ids("reset") == std::vector<int64_t>{200});
  CHECK(other.ids() == numbers(201, 201));
  Connection odd(served.path, "/events", "Last-Event-ID: -1\r\n");
  CHECK(odd.until("}}").substr(0, 12) == "HTTP/1.1 400");
}

TEST_CASE("a slow follower is let go with a last event, and holds nobody up") {
  Followed served(5min);  // under thread checks all that is written takes its time
  Connection slow(served.path, "/events");
  Connection quick(served.path, "/events");
  slow.until("id: 0\n\n");
  quick.until("id: 0\n\n");
  for (int64_t id = 1; id <= 2000; id += 50) {  // 4 MiB: more than a socket's buffer holds
    served.happen(id, id + 49, 2000);
    quick.until("\"n\":" + std::to_string(id + 49) + ",");
  }
  CHECK(quick.ids() == numbers(1, 2000));
  slow.rest();
  // On a busy machine it may be let go before the first event is written to it.
  std::vector<int64_t> got = slow.ids();
  const int64_t last = got.empty() ? 0 : got.back();
  CHECK(got == numbers(1, last));
  CHECK(last < 2000);
  CHECK(slow.ids("dropped") == std::vector<int64_t>{last});
  ApiRequest status{"GET", "/v1/status", {}, {}, ""};
  CHECK(ApiClient(served.path).call(status).status == 200);
}

TEST_CASE("one that reads nothing at all is closed after the time of a write") {
  Followed served(500ms);
  Connection stuck(served.path, "/events");
  stuck.until("id: 0\n\n");
  for (int64_t id = 1; id <= 60; ++id) served.happen(id, id, 60'000);
  for (int i = 0; i < 100 && served.server.followers() > 0; ++i) std::this_thread::sleep_for(50ms);
  CHECK(served.server.followers() == 0);
}

TEST_CASE("a log is followed to its end, and resumed in the midst") {
  Followed served;
  auto piece = [](const std::string& text, int64_t offset, bool end) {
    return Json{{"log", text}, {"offset", offset}, {"end", end}, {"attempt", "a1"}, {"run", "r1"}};
  };
  served.backend.answers["log"] = {piece("one\n", 4, false), piece("", 4, false),
                                   piece("two\n", 8, true)};
  Connection follower(served.path, "/v1/log?step=train");
  const std::string all = follower.rest();
  CHECK(all.find("id: a1:4\nevent: log\ndata: {\"log\":\"one\\n\"}\n\n") != all.npos);
  CHECK(all.find("id: a1:8\nevent: log\ndata: {\"log\":\"two\\n\"}\n\n") != all.npos);
  CHECK(all.find("event: end\n") != all.npos);
  served.backend.answers["log"] = {piece("two\n", 8, true)};
  Connection again(served.path, "/v1/log?step=train", "Last-Event-ID: a1:4\r\n");
  CHECK(again.rest().find("two") != std::string::npos);
  CHECK(served.backend.last().arguments.at("offset") == 4);
  Connection other(served.path, "/v1/log?step=train", "Last-Event-ID: a0:9\r\n");
  CHECK(other.rest().find("event: reset\ndata: {\"attempt\":\"a1\"") != std::string::npos);
  CHECK(served.backend.last().arguments.at("offset") == 0);
  served.backend.errors.emplace("log", Error(ErrorCode::kNotFound, "no such step"));
  Connection wrong(served.path, "/v1/log?step=none");
  CHECK(wrong.until("}}").substr(0, 12) == "HTTP/1.1 404");
}

TEST_CASE("events are also answered as one document, and numbers as Prometheus' text") {
  Followed served;
  served.happen(1, 5);
  ApiRequest request{"GET", "", {}, {}, ""};
  read_target("/events?after=2&limit=2", request);
  request.user = "ann";
  request.role = "viewer";
  ApiResponse page = served.api.handle(request);
  CHECK(page.status == 200);
  CHECK(page.body.at("last") == 5);
  CHECK(page.body.at("events").size() == 2);
  CHECK(page.body.at("events")[0].at("data").at("n") == 3);
  read_target("/metrics", request);
  request.query.clear();
  ApiResponse text = served.api.handle(request);
  CHECK(text.content_type == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(text.text == "lockstep_up 1\n");
}
