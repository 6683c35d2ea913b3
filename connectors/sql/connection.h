// A connection to a MySQL, MariaDB or Dolt server: plain statements out, streamed rows of text in.
// Knows nothing of tables, types or commits, and shows nothing of the driver beneath it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sql/error.h"

namespace lockstep {

struct SqlServer {
  std::string host = "127.0.0.1";
  uint16_t port = 3306;
  std::filesystem::path socket;  // used instead of host and port where it is not empty
  std::string user = "root";
  std::string password;
  std::string database;  // may be empty
  // Left out: verified, but for sockets and loopback addresses. Verified: the connection is
  // encrypted, and the certificate is signed by a known authority and made out to `host`.
  std::optional<bool> verify_tls;
  std::filesystem::path ca_file;  // PEM; empty: the machine's authorities
  int connect_timeout_s = 10;
  // A server that sends nothing for so long while an answer is due is away.
  int read_timeout_s = 60;

  bool verified() const;
  std::string shown() const;  // "db.example.org:3306", "/run/mysqld/mysqld.sock": for messages
};

// What a session begins with, also of who opens one without SqlConnection: quote_text() and the
// readers of cells rest on it. `STRICT_ALL_TABLES`: a value that does not fit is refused, not cut.
inline constexpr const char* kSqlSessionSetUp[] = {
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
    "SET SESSION time_zone = '+00:00'",
};
// Answers "1" where a backslash escapes and quotes are what they seem; else own_quotes() is thrown.
inline constexpr const char* kSqlQuotesWork = "SELECT LENGTH('\\\\')";
Error own_quotes(const SqlServer& server);

// One row's cells as the server's text protocol gives them; nullopt is NULL. Valid during the call.
using SqlRow = std::vector<std::optional<std::string_view>>;
using SqlRowSink = std::function<void(const SqlRow&)>;
using SqlCells = std::vector<std::optional<std::string>>;

// Opens itself on first use, and again after it was lost: a call that loses it throws unavailable,
// whatever was delivered before. A session is in UTC, utf8mb4, strict, and without backslash or
// quote modes that would change what quote_text() means. Local files are never sent to the server.
// One thread at a time; nothing else may run on it while rows are delivered.
class SqlConnection {
 public:
  explicit SqlConnection(SqlServer server);
  ~SqlConnection();
  SqlConnection(const SqlConnection&) = delete;
  SqlConnection& operator=(const SqlConnection&) = delete;

  const SqlServer& server() const { return server_; }

  // Runs one statement and streams its rows in bounded memory. Returns how many came. Where `row`
  // throws, the connection is closed and the exception goes on.
  uint64_t query(const std::string& sql, const SqlRowSink& row);
  // For small answers.
  std::vector<SqlCells> rows(const std::string& sql);
  // The first cell of the first row; nullopt for NULL and for no row.
  std::optional<std::string> value(const std::string& sql);
  // A statement whose rows, if any, do not matter. Returns the rows it changed.
  uint64_t execute(const std::string& sql);

  void close();
  bool is_open() const;
  // Counts how often a session was opened: another number means another session.
  uint64_t sessions() const { return sessions_; }

 private:
  struct Session;
  Session& session();
  template <typename Call>
  auto guarded(const Call& call);

  SqlServer server_;
  std::unique_ptr<Session> session_;
  uint64_t sessions_ = 0;
};

}  // namespace lockstep
