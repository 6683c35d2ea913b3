#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "pipeline/base/folder.h"
#include "pipeline/base/sockets.h"
#include "tests/pipeline/exec/fixture.h"

using namespace lockstep;

namespace {

// What the runner says to raw bytes until it hangs up or, with `more` false, after the end of ours.
std::string converse(const RunnerPlace& place, std::string_view bytes) {
  Fd fd = connect_unix(place.socket_path());
  send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  shutdown(fd.get(), SHUT_WR);
  std::string out;
  char buffer[4096];
  for (ssize_t n = 0; (n = recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) out.append(buffer, n);
  return out;
}

std::string hello() {
  return encode_frame({{"op", "hello"}, {"seq", 1}, {"protocol", 1}});
}

}  // namespace

TEST_CASE("requests cut at every length do no harm") {
  TestRunner runner;
  std::string request = encode_frame(
      {{"op", "put"}, {"digest", sha256("abc").str()}, {"size", 3}, {"offset", 0}}, "abc");
  for (size_t length = 0; length < request.size(); ++length) {
    converse(runner.place, hello() + request.substr(0, length));
  }
  CHECK(runner.client->missing({sha256("abc")}).size() == 1);
  CHECK(fs::is_empty(runner.place.state / "incoming"));
}

TEST_CASE("frames outside the rules end the connection and nothing else") {
  TestRunner runner;
  for (std::string bytes :
       {std::string(8, '\xff'), std::string(8, '\0'), std::string("GET / HTTP/1.1\r\n\r\n"),
        std::string("\x03\0\0\0\0\0\0\0{]}", 11)}) {
    CHECK(converse(runner.place, hello() + bytes).find("\"code\":\"invalid\"") !=
          std::string::npos);
  }
  CHECK(runner.client->call({{"op", "slots"}}).header["machine"]["cpus"] >= 1);
}

TEST_CASE("the first word is hello, in the same protocol") {
  TestRunner runner;
  CHECK(converse(runner.place, encode_frame({{"op", "list"}, {"seq", 1}})).find("hello") !=
        std::string::npos);
  std::string other = encode_frame({{"op", "hello"}, {"seq", 1}, {"protocol", 2}});
  CHECK(converse(runner.place, other).find("protocol 1, not 2") != std::string::npos);
}

TEST_CASE("hostile requests are refused one by one") {
  TestRunner runner;
  for (Json request : std::vector<Json>{
           {{"op", "nonsense"}},
           {{"op", 3}},
           {{"op", "start"}},
           {{"op", "start"}, {"attempt", {{"id", "../../x"}, {"shell", "true"}}}},
           {{"op", "log"}, {"attempt", "../../../etc/passwd"}},
           {{"op", "log"}, {"attempt", 1}},
           {{"op", "get"}, {"digest", "../x"}},
           {{"op", "get"}, {"digest", sha256("absent").str()}},
           {{"op", "has"}, {"digests", {1}}},
           {{"op", "has"}, {"digests", "x"}},
           {{"op", "put"}, {"digest", sha256("z").str()}, {"size", -1}},
           {{"op", "put"}, {"digest", sha256("z").str()}, {"size", 5}, {"offset", 3}},
           {{"op", "put"}, {"digest", sha256("z").str()}, {"size", 1ull << 60}},
           {{"op", "result"}, {"attempt", "unknown"}},
           {{"op", "cancel"}, {"attempt", "unknown"}},
           {{"op", "forget"}, {"attempt", "unknown"}},
       }) {
    INFO(request.dump());
    CHECK_THROWS_AS(runner.client->call(request), Error);
  }
  CHECK_THROWS_AS(runner.client->put(sha256("a"), "b"), Error);
  CHECK(runner.client->missing({sha256("a"), sha256("z")}).size() == 2);
}

TEST_CASE("a folder listing that leads outside is refused") {
  TestRunner runner;
  std::string evil = "[[\"../evil\",\"" + sha256("x").str() + "\",false]]";
  runner.put("x");
  Json order = shell("evil", "true");
  order["code"] = runner.put(evil).str();
  CHECK_THROWS_AS(runner.start(order), Error);
  CHECK_FALSE(fs::exists(runner.place.state / "attempts/evil"));
}

TEST_CASE("large blobs travel in pieces, empty ones too") {
  TestRunner runner;
  std::string big(10 << 20, 'q');
  big[5'000'000] = 'r';
  CHECK(runner.client->get(runner.put(big), 1 << 30) == big);
  CHECK(runner.client->get(runner.put(""), 10) == "");
  CHECK_THROWS_AS(runner.client->get(sha256(big), 1000), Error);
  fs::path file = runner.temp.path() / "file";
  runner.client->get_file(sha256(big), file);
  CHECK(hash_file(file).digest == sha256(big));
  runner.client->put_file(sha256(big), file);
}

TEST_CASE("many requests without reading are answered in order") {
  TestRunner runner;
  Digest blob = runner.put(std::string(2 << 20, 'x'));
  Fd fd = connect_unix(runner.place.socket_path());
  std::string requests = hello();
  for (int i = 2; i < 40; ++i) {
    requests += encode_frame({{"op", "get"}, {"seq", i}, {"digest", blob.str()}});
  }
  requests += encode_frame({{"op", "bye"}, {"seq", 40}});
  REQUIRE(send(fd.get(), requests.data(), requests.size(), 0) == ssize_t(requests.size()));
  std::this_thread::sleep_for(50ms);
  CHECK(runner.client->call({{"op", "list"}}).header["attempts"].empty());
  FrameReader reader;
  std::string buffer(1 << 20, '\0');
  int expected = 1;
  for (ssize_t n = 0; (n = recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0;) {
    reader.add(std::string_view(buffer.data(), static_cast<size_t>(n)));
    while (auto frame = reader.next()) CHECK(frame->header["re"] == expected++);
  }
  CHECK(expected == 41);
}

TEST_CASE("other users are refused") {
  TestRunner runner;
  if (geteuid() != 0) return;  // only root can become somebody else
  struct stat info {};
  REQUIRE(stat(runner.place.socket_path().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  REQUIRE(stat(runner.place.state.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
  // Even where somebody has opened the way to the socket.
  chmod(runner.temp.path().c_str(), 0755);
  chmod(runner.place.state.c_str(), 0755);
  chmod(runner.place.socket_path().c_str(), 0666);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  pid_t child = fork();
  if (child == 0) {
    // By a relative name: the folders above may be closed to him.
    RunnerPlace near = runner.place;
    near.state = ".";
    if (chdir(runner.place.state.c_str()) != 0 || setuid(65534) != 0) _exit(1);
    try {
      std::string said = converse(near, hello());
      _exit(write(ends[1], said.data(), said.size()) == ssize_t(said.size()) ? 0 : 1);
    } catch (const std::exception&) {
      _exit(1);  // the tests that follow are not his
    }
  }
  close(ends[1]);
  char buffer[4096];
  ssize_t n = read(ends[0], buffer, sizeof buffer);
  close(ends[0]);
  waitpid(child, nullptr, 0);
  REQUIRE(n > 0);
  CHECK(std::string(buffer, n).find("\"code\":\"denied\"") != std::string::npos);
}
