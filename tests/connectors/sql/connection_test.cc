#include "connectors/sql/connection.h"

#include "connectors/sql/quote.h"
#include "tests/catch.h"
#include "tests/connectors/sql/mariadb.h"

using namespace lockstep;

TEST_CASE("sql: a session is in UTC, utf8mb4 and strict", "[sql][mariadb]") {
  SqlConnection sql(mariadb().server());
  CHECK(sql.value("SELECT @@time_zone") == "+00:00");
  CHECK(sql.value("SELECT @@character_set_client") == "utf8mb4");
  CHECK(sql.value("SELECT @@sql_mode") == "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION");
  CHECK(sql.value("SELECT NULL") == std::nullopt);
  CHECK(sql.value("SELECT 1 FROM dual WHERE 1 = 0") == std::nullopt);
  CHECK(sql.sessions() == 1);
}

TEST_CASE("sql: what is quoted comes back as it was", "[sql][mariadb]") {
  SqlConnection sql(mariadb().server());
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  CHECK(sql.value("SELECT " + quote_bytes(bytes)) == bytes);
  for (const std::string text : {"it's", "\\", "\\'", "a\\nb", "\"; DROP TABLE x; --", "тест"}) {
    CAPTURE(text);
    CHECK(sql.value("SELECT " + quote_text(text)) == text);
    CHECK(sql.value("SELECT " + quote_name(text) + " FROM (SELECT 7 AS " + quote_name(text) +
                    ") AS t") == "7");
  }
  const std::string zeros("a\0b\x1a", 4);
  CHECK(sql.value("SELECT " + quote_text(zeros)) == zeros);
}

TEST_CASE("sql: an ordinary error leaves the connection fine", "[sql][mariadb]") {
  SqlConnection sql(mariadb().server());
  for (const auto& [statement, code] :
       std::map<std::string, ErrorCode>{{"SELECT * FROM mysql.nothing_here", ErrorCode::kNotFound},
                                        {"SELECT nothing FROM mysql.user", ErrorCode::kNotFound},
                                        {"SELEC 1", ErrorCode::kInvalid},
                                        {"SELECT 1; SELECT 2", ErrorCode::kInvalid}}) {
    CAPTURE(statement);
    try {
      sql.rows(statement);
      FAIL("accepted");
    } catch (const SqlError& error) {
      CHECK(error.code == code);
    }
    CHECK(sql.value("SELECT 5") == "5");
  }
  CHECK(sql.sessions() == 1);
}

TEST_CASE("sql: the server can't ask for files of this machine", "[sql][mariadb]") {
  SqlConnection sql(mariadb().server());
  sql.execute("CREATE DATABASE IF NOT EXISTS files");
  sql.execute("CREATE OR REPLACE TABLE files.t (a TEXT)");
  CHECK_THROWS_AS(sql.execute("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE files.t"), Error);
  CHECK(sql.value("SELECT COUNT(*) FROM files.t") == "0");
}

TEST_CASE("sql: a connection lost among the rows is never their end", "[sql][mariadb]") {
  SqlConnection sql(mariadb().server());
  SqlConnection other(mariadb().server());
  const std::string id = *sql.value("SELECT CONNECTION_ID()");
  uint64_t seen = 0;
  try {
    sql.query("SELECT seq, REPEAT('x', 1000) FROM mysql.seq_1_to_2000000", [&](const SqlRow&) {
      if (++seen == 1000) other.execute("KILL CONNECTION " + id);
    });
    FAIL("ended after " << seen);
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::kUnavailable);
  }
  CHECK(seen < 2000000);
  CHECK_FALSE(sql.is_open());
  CHECK(sql.value("SELECT 5") == "5");
  CHECK(sql.sessions() == 2);
}

TEST_CASE("sql: a sink that throws ends the query and the session", "[sql][mariadb]") {
  SqlConnection sql(mariadb().server());
  CHECK_THROWS_AS(sql.query("SELECT seq FROM mysql.seq_1_to_1000",
                            [](const SqlRow&) { throw Error(ErrorCode::kCorrupt, "no"); }),
                  Error);
  CHECK_FALSE(sql.is_open());
  CHECK(sql.value("SELECT 5") == "5");
}

TEST_CASE("sql: a server that is away, a wrong password, an unknown database", "[sql][mariadb]") {
  const auto code = [](SqlServer server) {
    try {
      SqlConnection(std::move(server)).value("SELECT 1");
      return std::string("connected");
    } catch (const Error& error) {
      return std::string(word(error.code));
    }
  };
  SqlServer away = mariadb().server();
  away.socket += ".not";
  CHECK(code(away) == "unavailable");
  SqlServer closed = mariadb().by_port();
  closed.port = static_cast<uint16_t>(free_loopback_port());
  CHECK(code(closed) == "unavailable");
  SqlServer wrong = mariadb().by_port();
  wrong.user = "nobody";
  wrong.password = "secret";
  CHECK(code(wrong) == "denied");
  SqlServer unknown = mariadb().by_port();
  unknown.database = "nowhere";
  CHECK(code(unknown) == "not_found");
  SqlServer plain = mariadb().by_port();
  plain.verify_tls = true;
  CHECK(code(plain) == "denied");  // it offers no certificate
  plain.verify_tls.reset();
  CHECK(code(plain) == "connected");
}

TEST_CASE("sql: TLS is verified where the place is not this machine", "[sql]") {
  SqlServer server;
  for (const char* host : {"localhost", "127.0.0.1", "127.1.2.3", "::1"}) {
    server.host = host;
    CHECK_FALSE(server.verified());
  }
  for (const char* host : {"db.example.org", "10.0.0.1", "localhost.example.org", "128.0.0.1"}) {
    server.host = host;
    CHECK(server.verified());
  }
  server.verify_tls = false;
  CHECK_FALSE(server.verified());
}
