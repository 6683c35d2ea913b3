#include "connectors/dolt/own_server.h"

#include <fstream>

#include "pipeline/base/process.h"
#include "tests/catch.h"
#include "tests/connectors/dolt/dolt_server.h"
#include "tests/processes.h"

using namespace lockstep;

namespace {

DoltOwnConfig config_in(const fs::path& folder, const std::string& program = "") {
  DoltOwnConfig config;
  config.name = "tables";
  config.folder = folder / "own";
  config.program = program.empty() ? std::getenv("LOCKSTEP_DOLT") : program;
  return config;
}

bool gets_in(SqlServer server) {
  try {
    return SqlConnection(std::move(server)).value("SELECT 1") == "1";
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::kDenied);
    return false;
  }
}

std::string refusal(DoltOwnServer& server) {
  try {
    server.ensure();
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::kUnavailable);
    return error.what();
  }
  FAIL("it runs");
  return "";
}

fs::path script(const fs::path& folder, const std::string& text) {
  const fs::path file = folder / "program";
  std::ofstream(file) << "#!/bin/sh\n" << text;
  fs::permissions(file, fs::perms::owner_all);
  return file;
}

}  // namespace

TEST_CASE("own server: lets in who knows the password and nobody else", "[dolt]") {
  TempFolder folder;
  DoltOwnServer server(config_in(folder.path()));
  server.ensure();
  CHECK(gets_in(server.place()));
  const std::string settings = real_files().read(folder.path() / "own" / "server.yaml");
  CHECK(settings.find(server.place().password) == settings.npos);
  SqlServer by_port = server.place();
  by_port.socket.clear();
  by_port.port = static_cast<uint16_t>(std::stoi(settings.substr(settings.find("port: ") + 6)));
  CHECK(gets_in(by_port));
  for (SqlServer place : {server.place(), by_port}) {
    for (const char* user : {"root", "lockstep", "nobody", ""}) {
      for (const char* password : {"", "wrong"}) {
        place.user = user;
        place.password = password;
        CHECK_FALSE(gets_in(place));
      }
    }
  }
  CHECK(fs::status(folder.path() / "own").permissions() == fs::perms::owner_all);
}

TEST_CASE("own server: killed, it is there again with what it had; ended, it is gone", "[dolt]") {
  TempFolder folder;
  std::vector<std::string> warnings;
  DoltOwnConfig config = config_in(folder.path());
  config.warn = [&](const std::string& text) { warnings.push_back(text); };
  {
    DoltOwnServer server(config);
    server.ensure();
    SqlConnection(server.place()).execute("CREATE TABLE t (id INT PRIMARY KEY)");
    CHECK(end_servers_with(folder.path() / "own" / "server.yaml") == 1);
    server.ensure();
    CHECK(SqlConnection(server.place()).value("SELECT COUNT(*) FROM t") == "0");
    REQUIRE(warnings.size() == 1);
    CHECK_THAT(warnings[0], Catch::Contains("ended (signal 9)"));
    server.restart();
    CHECK(server.starts() == 3);
    CHECK(SqlConnection(server.place()).value("SELECT COUNT(*) FROM t") == "0");
  }
  CHECK(end_servers_with(folder.path() / "own" / "server.yaml") == 0);
}

TEST_CASE("own server: one that was left behind is ended; others are not touched", "[dolt]") {
  TempFolder folder;
  // As a killed process would: the object is never destroyed, and its server stays.
  auto* lost = new DoltOwnServer(config_in(folder.path()));
  lost->ensure();
  const std::string settings = (folder.path() / "own" / "server.yaml").string();
  const fs::path sleeper = script(folder.path(), "exec sleep 600\n");
  std::vector<pid_t> foreign;
  using Words = std::vector<std::string>;
  for (const Words& words :
       {Words{"sh", sleeper, "sql-server", "--config", settings}, Words{"sh", sleeper, settings}}) {
    ProcessStart what;
    what.argv = words;
    foreign.push_back(start_process(what));
  }
  DoltOwnServer next(config_in(folder.path()));
  next.ensure();
  CHECK(gets_in(next.place()));
  CHECK(next.place().password != lost->place().password);
  for (pid_t pid : foreign) {
    CHECK_FALSE(process_gone(pid));
    kill(-pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  delete lost;  // whose server is dead: nothing else is hit
  CHECK(gets_in(next.place()));
}

TEST_CASE("own server: without its program, or with one that fails", "[dolt]") {
  TempFolder folder;
  DoltOwnServer none(config_in(folder.path(), "no-such-program-here"));
  CHECK_THAT(refusal(none), Catch::Contains("install no-such-program-here"));
  const fs::path counted = folder.path() / "count";
  const fs::path failing =
      script(folder.path(), "echo x >>'" + counted.string() + "'; echo boom >&2; exit 1\n");
  DoltOwnServer server(config_in(folder.path(), failing));
  CHECK_THAT(refusal(server), Catch::Contains("boom"));
  for (int i = 0; i < 5; ++i) CHECK_THAT(refusal(server), Catch::Contains("boom"));
  CHECK(real_files().read(counted) == "x\n");  // not tried again before the pause is over
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  refusal(server);
  CHECK(real_files().read(counted) == "x\nx\n");
}

TEST_CASE("own server: in a folder whose path is too long for a socket", "[dolt]") {
  TempFolder folder;
  DoltOwnServer server(config_in(folder.path() / std::string(100, 'x')));
  server.ensure();
  CHECK(gets_in(server.place()));
  server.restart();
  CHECK(gets_in(server.place()));
}
