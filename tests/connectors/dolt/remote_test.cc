#include "connectors/dolt/remote.h"

#include <poll.h>

#include "tests/catch.h"
#include "tests/connectors/conformance/sql_states.h"
#include "tests/connectors/conformance/suite.h"
#include "tests/connectors/dolt/remote_db.h"
#include "tests/processes.h"

using namespace lockstep;

namespace {

class RemoteUnderTest : public conformance::StoreUnderTest {
 public:
  TableStore& store() override { return store_; }
  bool has_keyless() const override { return true; }
  void reset(const std::string& commit) override {
    theirs_.run("CALL dolt_reset('--hard', '" + commit + "')");
    theirs_.publish();
    store_.look();
  }
  std::string commit(const FakeCommit& tables) override {
    states_.bring(tables);
    const std::string id = theirs_.push();
    store_.look();
    return id;
  }

 private:
  RemoteDatabase theirs_;
  DoltTableStore store_{dolt_config(std::make_shared<DoltRemote>(theirs_.config()))};
  conformance::SqlStates states_{[this](const std::string& sql) { theirs_.run(sql); },
                                 "VARCHAR(200)"};
};

Error error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  FAIL("nothing was thrown");
  throw;
}

size_t rows(DoltTableStore& store, const std::string& commit) {
  size_t count = 0;
  store.read({commit, "t", {"id"}, {}}, [&](const Row&) { ++count; });
  return count;
}

bool signals(SourceWatch& watch, int wait_ms) {
  pollfd ready{watch.fd(), POLLIN, 0};
  poll(&ready, 1, wait_ms);
  return watch.take();
}

// Accepts connections and never says a word.
class Silence {
 public:
  Silence() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(bind(fd_.get(), any, size) == 0);
    REQUIRE(listen(fd_.get(), 16) == 0);
    getsockname(fd_.get(), any, &size);
    port = ntohs(address.sin_port);
  }
  int port = 0;

 private:
  Fd fd_;
};

}  // namespace

TEST_CASE("dolt remote: the same as every store", "[dolt][conformance]") {
  RemoteUnderTest under;
  conformance::same_as_the_fake(under);
}

TEST_CASE("dolt remote: pushes, also forced, and branches that go and come", "[dolt]") {
  RemoteDatabase theirs;
  theirs.run("CREATE TABLE t (id INT PRIMARY KEY)");
  const std::string first = theirs.push();
  DoltTableStore store(dolt_config(std::make_shared<DoltRemote>(theirs.config())));
  CHECK(store.look() == first);
  theirs.run("INSERT INTO t VALUES (1)");
  const std::string second = theirs.push();
  CHECK(store.head() == first);  // costly to look at: only when asked to
  CHECK(store.look() == second);
  CHECK(store.head() == second);
  CHECK(store.resolve("HEAD") == second);
  CHECK(store.resolve("main") == second);
  CHECK(store.resolve("HEAD~1") == first);
  CHECK(store.resolve(second.substr(0, 8)) == second);
  CHECK(rows(store, second) == 1);
  theirs.run("CALL dolt_reset('--hard', '" + first + "')");
  theirs.run("INSERT INTO t VALUES (2), (3)");
  const std::string other = theirs.push();
  CHECK(store.look() == other);
  CHECK_FALSE(store.descends(other, second));
  CHECK(rows(store, second) == 1);                       // still there
  theirs.run("CALL dolt_push('origin', 'main:other')");  // the last branch can't be deleted
  CHECK(store.look() == other);
  using Branches = std::map<std::string, std::string>;
  CHECK(store.branches() == Branches{{"main", other}, {"other", other}});
  CHECK(store.resolve("other") == other);
  theirs.run("CALL dolt_push('origin', ':main')");
  const Error gone = error_of([&] { store.look(); });
  CHECK(gone.code == ErrorCode::kNotFound);
  CHECK_THAT(gone.message, Catch::Contains("it has no branch main"));
  CHECK(error_of([&] { store.head(); }).code == ErrorCode::kNotFound);
  CHECK(store.branches() == Branches{{"other", other}});
  theirs.run("INSERT INTO t VALUES (4)");
  CHECK(store.descends(other, first));
  const std::string again = theirs.push();
  CHECK(store.look() == again);
  CHECK(store.head() == again);
}

TEST_CASE("dolt remote: what is kept outlives the process and the collection", "[dolt]") {
  RemoteDatabase theirs;
  theirs.run("CREATE TABLE t (id INT PRIMARY KEY)");
  const std::string empty = theirs.push();
  theirs.run("INSERT INTO t VALUES (1), (2)");
  const std::string held = theirs.push();
  {
    DoltTableStore store(dolt_config(std::make_shared<DoltRemote>(theirs.config())));
    CHECK(store.look() == held);
    store.keep("me", held);
  }
  theirs.run("CALL dolt_reset('--hard', '" + empty + "')");
  theirs.publish();
  auto remote = std::make_shared<DoltRemote>(theirs.config());
  DoltTableStore store(dolt_config(remote));
  CHECK(store.look() == empty);
  SqlConnection own(remote->server().place());
  own.execute("CREATE TABLE rubbish (id INT PRIMARY KEY)");  // else there is nothing to collect
  own.execute("CALL dolt_gc()");
  CHECK(store.kept("me") == std::vector<std::string>{held});
  CHECK(rows(store, held) == 2);
}

TEST_CASE("dolt remote: away is said once, the clone is read meanwhile, and it is back", "[dolt]") {
  RemoteDatabase theirs;
  theirs.run("CREATE TABLE t (id INT PRIMARY KEY)");
  const std::string first = theirs.push();
  auto remote = std::make_shared<DoltRemote>(theirs.config());
  DoltTableStore store(dolt_config(remote));
  const auto watch = store.watch();
  CHECK(signals(*watch, 60'000));  // the first fetch
  CHECK(store.head() == first);
  // Pushed: seen by the folder's signal, an hour before the next look.
  theirs.run("INSERT INTO t VALUES (1)");
  const std::string second = theirs.push();
  CHECK(signals(*watch, 60'000));
  CHECK(store.head() == second);
  const fs::path elsewhere = theirs.remote().string() + "2";
  fs::rename(theirs.remote(), elsewhere);
  CHECK(error_of([&] { store.look(); }).code == ErrorCode::kUnavailable);
  CHECK(error_of([&] { store.look(); }).code == ErrorCode::kUnavailable);
  CHECK(store.head() == second);
  CHECK(rows(store, second) == 1);
  REQUIRE(theirs.warnings().size() == 1);
  CHECK_THAT(theirs.warnings()[0], Catch::Contains("what was fetched before is used"));
  while (watch->take()) {
  }
  fs::rename(elsewhere, theirs.remote());
  theirs.run("INSERT INTO t VALUES (2)");
  const std::string third = theirs.push();
  CHECK(eventually([&] { return store.head() == third; }));  // nobody asked
  CHECK(signals(*watch, 1'000));
  REQUIRE(theirs.warnings().size() == 2);
  CHECK_THAT(theirs.warnings()[1], Catch::Contains("is back"));
}

TEST_CASE("dolt remote: one that hangs holds up nobody", "[dolt]") {
  RemoteDatabase theirs;
  theirs.run("CREATE TABLE t (id INT PRIMARY KEY)");
  const std::string first = theirs.push();
  {
    DoltTableStore store(dolt_config(std::make_shared<DoltRemote>(theirs.config())));
    CHECK(store.look() == first);
    store.keep("me", first);
  }
  Silence silence;
  DoltRemoteConfig config = theirs.config();
  config.remote = fmt::format("http://127.0.0.1:{}/a/b", silence.port);
  config.look_limit_s = 1;
  config.fetch_limit_s = 2;
  auto remote = std::make_shared<DoltRemote>(config);
  DoltTableStore store(dolt_config(remote));
  const Error slow = error_of([&] { store.look(); });
  CHECK(slow.code == ErrorCode::kUnavailable);
  CHECK_THAT(slow.message, Catch::Contains("is still being fetched"));
  CHECK(rows(store, first) == 0);  // held, and read while the fetch hangs
  const uint64_t starts = remote->server().starts();
  CHECK(eventually([&] {  // the limit of a fetch: its server is ended with it, and one is there
    return rows(store, first) == 0 && remote->server().starts() > starts;
  }));
  CHECK(remote->away()->message.find("127.0.0.1") != std::string::npos);
}

TEST_CASE("dolt remote: over the network, with a password", "[dolt]") {
  const int port = free_loopback_port();
  DoltServer server(fmt::format("remotesapi:\n  port: {}\n", port));
  DoltDatabase db(server);
  db.run("CREATE TABLE t (id INT PRIMARY KEY)");
  db.run("CREATE USER 'reader'@'%' IDENTIFIED BY 'sesame'");
  db.run("GRANT ALL ON *.* TO 'reader'@'%' WITH GRANT OPTION");
  db.run("GRANT CLONE_ADMIN ON *.* TO 'reader'@'%'");
  const std::string first = db.commit();
  TempFolder folder;
  DoltRemoteConfig config;
  config.name = "tables";
  config.remote = fmt::format("http://127.0.0.1:{}/{}", port, db.name());
  config.folder = folder.path() / "clone";
  config.program = std::getenv("LOCKSTEP_DOLT");
  config.username = "reader";
  config.password = [] { return std::string("wrong"); };
  {
    DoltTableStore store(dolt_config(std::make_shared<DoltRemote>(config)));
    const Error refused = error_of([&] { store.look(); });
    INFO(refused.what());
    CHECK(refused.code == ErrorCode::kDenied);
  }
  config.password = [] { return std::string("sesame"); };
  DoltTableStore store(dolt_config(std::make_shared<DoltRemote>(config)));
  CHECK(store.look() == first);
  db.run("INSERT INTO t VALUES (1)");
  const std::string second = db.commit();
  CHECK(store.look() == second);
  CHECK(rows(store, second) == 1);
  db.run("CALL dolt_branch('other')");
  config.branch = "gone";
  config.folder = folder.path() / "second";
  DoltTableStore none(dolt_config(std::make_shared<DoltRemote>(config)));
  CHECK(error_of([&] { none.look(); }).code == ErrorCode::kNotFound);
}
