// A real MariaDB server on a Unix socket and a loopback port, in a folder that goes with it.
// Knows nothing of clients.
#pragma once

#include <fmt/format.h>

#include "connectors/sql/connection.h"
#include "tests/connectors/sql/server_process.h"

namespace lockstep {

class MariadbServer {
 public:
  // `options` are more of the server's own, as "--ssl-cert=…".
  explicit MariadbServer(std::vector<std::string> options = {})
      : options_(std::move(options)), port_(free_loopback_port()) {
    fs::create_directory(folder_.path() / "tmp");
    ServerProcess::run(
        {{"mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal",
          "--skip-test-db", "--datadir=" + data(), temporary()},
         {},
         folder_.path(),
         folder_.path() / "install.log"});
    start();
  }

  void start() {
    std::vector<std::string> argv = {"mariadbd",
                                     "--no-defaults",
                                     "--datadir=" + data(),
                                     temporary(),
                                     "--socket=" + server().socket.string(),
                                     "--bind-address=127.0.0.1",
                                     fmt::format("--port={}", port_),
                                     "--innodb-buffer-pool-size=32M"};
    if (geteuid() == 0) argv.push_back("--user=root");
    argv.insert(argv.end(), options_.begin(), options_.end());
    process_.start({argv, {}, folder_.path(), folder_.path() / "log"}, [this] {
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

  // By socket, as root without a password.
  SqlServer server() const {
    SqlServer server;
    server.socket = folder_.path() / "s";
    return server;
  }
  SqlServer by_port() const {
    SqlServer server;
    server.port = static_cast<uint16_t>(port_);
    return server;
  }

 private:
  std::string data() const { return (folder_.path() / "data").string(); }
  // Servers that share this folder remove each other's files when they start.
  std::string temporary() const { return "--tmpdir=" + (folder_.path() / "tmp").string(); }

  TempFolder folder_;
  std::vector<std::string> options_;
  int port_;
  ServerProcess process_;
};

// One for a whole test binary; starting it takes seconds.
inline MariadbServer& mariadb() {
  static MariadbServer server;
  return server;
}

}  // namespace lockstep
