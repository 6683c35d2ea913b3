// A real Dolt server on a Unix socket and a loopback port, in a folder that goes with it.
// Knows nothing of the classes under test but the connection.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>

#include "connectors/dolt/link.h"
#include "connectors/sql/quote.h"
#include "tests/connectors/sql/server_process.h"

namespace lockstep {

class DoltServer {
 public:
  // `listener` are more lines of that part of the server's configuration.
  explicit DoltServer(const std::string& listener = "") : port_(free_loopback_port()) {
    fs::create_directories(data());
    std::ofstream(folder_.path() / "config.yaml") << fmt::format(
        "log_level: warning\nlistener:\n  host: 127.0.0.1\n  port: {}\n"
        "  socket: {}\n{}data_dir: {}\n",
        port_, socket().string(), listener, data().string());
    // Before any other call, or it starts a sender of metrics.
    for (const char* setting : {"metrics.disabled=true", "user.name=Test", "user.email=t@x"}) {
      const std::string text = setting;
      const size_t at = text.find('=');
      ServerProcess::run(
          command({"config", "--global", "--add", text.substr(0, at), text.substr(at + 1)}));
    }
    start();
  }

  void start() {
    fs::remove(socket());  // a killed server leaves it, and the next would go without
    process_.start(command({"sql-server", "--config", (folder_.path() / "config.yaml").string()}),
                   [this] {
                     try {
                       SqlConnection probe(server());
                       return probe.value("SELECT 1") == "1";
                     } catch (const Error&) {
                       return false;
                     }
                   });
  }
  void end(int signal = SIGKILL) { process_.end(signal); }
  void send(int signal) { process_.send(signal); }
  void restart() { end(), start(); }

  fs::path data() const { return folder_.path() / "data"; }
  fs::path socket() const { return folder_.path() / "s"; }
  SqlServer server(const std::string& database = "") const {
    SqlServer server;
    server.socket = socket();
    server.database = database;
    return server;
  }
  SqlServer by_port(const std::string& database = "") const {
    SqlServer server;
    server.port = static_cast<uint16_t>(port_);
    server.database = database;
    return server;
  }
  // Runs the dolt program itself.
  void dolt(std::vector<std::string> arguments) {
    ServerProcess::run(command(std::move(arguments)));
  }

 private:
  ServerProcess::Command command(std::vector<std::string> arguments) const {
    const char* program = std::getenv("LOCKSTEP_DOLT");
    if (!program) {
      throw Error(ErrorCode::kUnavailable, "LOCKSTEP_DOLT does not name the Dolt program",
                  "export LOCKSTEP_DOLT=$(tests/tools/dolt/build)");
    }
    arguments.insert(arguments.begin(), program);
    return {arguments,
            {{"HOME", folder_.path().string()},
             {"DOLT_ROOT_PATH", folder_.path().string()},
             {"DOLT_DISABLE_EVENT_FLUSH", "1"},
             {"TZ", "America/New_York"}},  // nothing may depend on the server's own zone
            folder_.path(),
            folder_.path() / "log"};
  }

  TempFolder folder_;
  int port_;
  ServerProcess process_;
};

// One for a whole test binary; each test takes a database of its own.
inline DoltServer& dolt_server() {
  static DoltServer server;
  return server;
}

// A fresh database on the shared server, and a connection to write to it with.
class DoltDatabase {
 public:
  explicit DoltDatabase(DoltServer& server = dolt_server())
      : server_(server), name_(fmt::format("db{}", ++count())), sql_(server.server()) {
    sql_.execute("CREATE DATABASE " + name_);
    sql_.execute("USE " + name_);
  }

  const std::string& name() const { return name_; }
  DoltServer& server() { return server_; }
  SqlConnection& sql() { return sql_; }
  void run(const std::string& statement) {
    if (!sql_.is_open()) sql_.execute("USE " + name_);
    sql_.execute(statement);
  }
  // Commits everything there is, changed or not; the new commit's hash.
  std::string commit(const std::string& message = "change", const std::string& more = "") {
    run("CALL dolt_commit('-A', '--allow-empty', '-m', " + quote_text(message) + more + ")");
    return *sql_.value("SELECT dolt_hashof('HEAD')");
  }
  DoltConfig config() const {
    DoltConfig config;
    config.name = "tables";
    config.server = server_.server(name_);
    return config;
  }

 private:
  static int& count() {
    static int count = 0;
    return count;
  }

  DoltServer& server_;
  std::string name_;
  SqlConnection sql_;
};

}  // namespace lockstep
