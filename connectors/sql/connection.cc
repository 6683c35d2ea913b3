#include "connectors/sql/connection.h"

#include <arpa/inet.h>
#include <cppconn/exception.h>
#include <cppconn/resultset.h>
#include <cppconn/resultset_metadata.h>
#include <cppconn/statement.h>
#include <fmt/format.h>
#include <mysql_connection.h>
#include <mysql_driver.h>

#include <mutex>

namespace lockstep {
namespace {

// What the library takes in at most: of an answer one row, of a statement all of it.
constexpr int kMaxRow_bytes = 256 << 20;

bool loopback(const std::string& host) {
  if (host == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

sql::mysql::MySQL_Driver& driver() {
  static std::mutex mutex;  // the library's own initialisation takes one thread at a time
  std::lock_guard<std::mutex> lock(mutex);
  return *sql::mysql::get_driver_instance();
}

std::string address(const SqlServer& server) {
  if (!server.socket.empty()) return "unix://" + server.socket.string();
  const bool v6 = server.host.find(':') != std::string::npos;
  return fmt::format("tcp://{}{}{}:{}", v6 ? "[" : "", server.host, v6 ? "]" : "", server.port);
}

std::unique_ptr<sql::Connection> connect(const SqlServer& server) {
  sql::ConnectOptionsMap options;
  options["hostName"] = sql::SQLString(address(server));
  options["userName"] = sql::SQLString(server.user);
  options["password"] = sql::SQLString(server.password);
  if (!server.database.empty()) options["schema"] = sql::SQLString(server.database);
  options["OPT_CONNECT_TIMEOUT"] = server.connect_timeout_s;
  options["OPT_READ_TIMEOUT"] = server.read_timeout_s;
  options["OPT_WRITE_TIMEOUT"] = server.read_timeout_s;
  options["OPT_CHARSET_NAME"] = sql::SQLString("utf8mb4");
  options["OPT_LOCAL_INFILE"] = 0;
  options["OPT_MAX_ALLOWED_PACKET"] = kMaxRow_bytes;
  if (server.verified()) {
    options["sslEnforce"] = true;
    options["sslVerify"] = true;
    if (!server.ca_file.empty()) options["sslCA"] = sql::SQLString(server.ca_file.string());
  }
  return std::unique_ptr<sql::Connection>(driver().connect(options));
}

}  // namespace

bool SqlServer::verified() const {
  return verify_tls.value_or(socket.empty() && !loopback(host));
}

std::string SqlServer::shown() const {
  return socket.empty() ? fmt::format("{}:{}", host, port) : socket.string();
}

Error own_quotes(const SqlServer& server) {
  return {ErrorCode::kInvalid,
          fmt::format("{} keeps its own quoting rules (sql_mode)", server.shown()),
          "let the user set sql_mode for its sessions"};
}

// Members go in the order that the library needs: the statement before its connection.
struct SqlConnection::Session {
  std::unique_ptr<sql::Connection> connection;
  std::unique_ptr<sql::Statement> statement;
};

SqlConnection::SqlConnection(SqlServer server) : server_(std::move(server)) {}

SqlConnection::~SqlConnection() {
  close();
}

bool SqlConnection::is_open() const {
  return session_ != nullptr;
}

void SqlConnection::close() {
  if (!session_) return;
  try {
    session_->statement.reset();
    session_->connection.reset();
  } catch (const std::exception&) {
    // It is gone either way.
  }
  session_.reset();
}

// Runs `call` and translates what the library throws; after a client error nothing of the
// connection may be used again: it could answer with another statement's rows, or crash.
template <typename Call>
auto SqlConnection::guarded(const Call& call) {
  try {
    return call();
  } catch (const sql::SQLException& error) {
    SqlError translated(error.getErrorCode(), error.getSQLState(), error.what(), server_.shown());
    if (error.getErrorCode() == 0 || translated.fatal()) close();
    if (error.getErrorCode() == 0) translated.code = ErrorCode::kUnavailable;  // the library's own
    throw translated;
  } catch (...) {
    close();
    throw;
  }
}

SqlConnection::Session& SqlConnection::session() {
  if (session_) return *session_;
  auto fresh = std::make_unique<Session>();
  fresh->connection = connect(server_);
  fresh->statement.reset(fresh->connection->createStatement());
  for (const char* statement : kSqlSessionSetUp) fresh->statement->execute(statement);
  {
    std::unique_ptr<sql::ResultSet> answer(fresh->statement->executeQuery(kSqlQuotesWork));
    if (!answer->next() || answer->getString(1) != "1") {
      throw own_quotes(server_);
    }
  }
  fresh->statement->setResultSetType(sql::ResultSet::TYPE_FORWARD_ONLY);
  session_ = std::move(fresh);
  ++sessions_;
  return *session_;
}

uint64_t SqlConnection::query(const std::string& sql, const SqlRowSink& row) {
  return guarded([&] {
    uint64_t count = 0;
    sql::Statement& statement = *session().statement;
    SqlRow cells;
    std::vector<sql::SQLString> texts;
    bool answered = statement.execute(sql);
    while (answered) {  // a CALL may answer more than once
      std::unique_ptr<sql::ResultSet> result(statement.getResultSet());
      const uint32_t columns = result->getMetaData()->getColumnCount();
      cells.resize(columns);
      texts.resize(columns);
      while (result->next()) {
        for (uint32_t i = 0; i < columns; ++i) {
          cells[i].reset();
          if (result->isNull(i + 1)) continue;
          texts[i] = result->getString(i + 1);
          cells[i] = std::string_view(texts[i].c_str(), texts[i].length());
        }
        ++count;
        row(cells);
      }
      result.reset();
      answered = statement.getMoreResults();
    }
    return count;
  });
}

std::vector<SqlCells> SqlConnection::rows(const std::string& sql) {
  std::vector<SqlCells> out;
  query(sql, [&](const SqlRow& row) { out.emplace_back(row.begin(), row.end()); });
  return out;
}

std::optional<std::string> SqlConnection::value(const std::string& sql) {
  std::optional<std::string> first;
  bool seen = false;
  query(sql, [&](const SqlRow& row) {
    if (!seen && !row.empty() && row[0]) first = std::string(*row[0]);
    seen = true;
  });
  return first;
}

uint64_t SqlConnection::execute(const std::string& sql) {
  return guarded([&]() -> uint64_t {
    sql::Statement& statement = *session().statement;
    bool answered = statement.execute(sql);
    const uint64_t changed = answered ? 0 : statement.getUpdateCount();
    while (answered) {
      std::unique_ptr<sql::ResultSet> result(statement.getResultSet());
      while (result->next()) {
      }
      result.reset();
      answered = statement.getMoreResults();
    }
    return changed;
  });
}

}  // namespace lockstep
