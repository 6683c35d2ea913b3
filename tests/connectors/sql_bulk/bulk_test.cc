#include "connectors/sql_bulk/bulk.h"

#include <fmt/format.h>

#include <map>

#include "connectors/sql/quote.h"
#include "pipeline/core/slice.h"
#include "pipeline/snapshot/cells.h"
#include "tests/catch.h"
#include "tests/connectors/dolt/dolt_server.h"
#include "tests/connectors/sql/certificate.h"
#include "tests/connectors/sql/mariadb.h"

using namespace lockstep;

namespace {

struct Reading {
  std::vector<Row> rows;
  size_t batches = 0;
};

// What read_bulk delivers, cell by cell, through the same words as a snapshot's files.
Reading by_bulk(const SqlServer& server, const BulkRead& read) {
  Reading out;
  const uint64_t count = read_bulk(server, read, [&](const std::vector<ArrowArray>& batch) {
    ++out.batches;
    REQUIRE(batch.size() == read.columns.size());
    for (uint64_t i = 0; i < batch[0].rows; ++i) {
      Row row;
      for (size_t c = 0; c < batch.size(); ++c) {
        REQUIRE(batch[c].type == bulk_type(read.columns[c]));
        row.push_back(read_cell(batch[c], i, read.columns[c].tag));
      }
      out.rows.push_back(std::move(row));
    }
  });
  CHECK(count == out.rows.size());
  return out;
}

// The same rows by SqlConnection.
std::vector<Row> by_cells(const SqlServer& server, const BulkRead& read) {
  SqlConnection sql(server);
  std::string cells;
  for (const SqlColumn& column : read.columns) {
    cells += (cells.empty() ? "" : ", ") + select_cell(column, quote_name(column.name));
  }
  const std::string order = read.key ? quote_name(read.columns[*read.key].name) : read.order;
  std::vector<Row> rows;
  sql.query("SELECT " + cells + " FROM " + read.from + " ORDER BY " + order,
            [&](const SqlRow& texts) {
              Row row;
              for (size_t i = 0; i < texts.size(); ++i) {
                row.push_back(read_cell(read.columns[i], texts[i]));
              }
              rows.push_back(std::move(row));
            });
  return rows;
}

Digest slice_of(const std::vector<SqlColumn>& columns, const std::vector<Row>& rows) {
  std::map<std::string, size_t> at;  // sorted by name
  for (size_t i = 0; i < columns.size(); ++i) at[columns[i].name] = i;
  std::vector<std::string> names;
  for (const auto& [name, i] : at) names.push_back(name);
  SliceState state;
  for (const Row& row : rows) {
    Row sorted;
    for (const auto& [name, i] : at) sorted.push_back(row[i]);
    state.add(row_bytes(names, sorted));
  }
  return state.digest();
}

std::vector<SqlColumn> columns_of(SqlConnection& sql, const std::string& table) {
  std::vector<SqlColumn> out;
  for (const SqlCells& row : sql.rows("SHOW FULL COLUMNS FROM " + table)) {
    out.push_back(sql_column(*row[0], *row[1], row[2].value_or("")));
  }
  return out;
}

void fresh(SqlConnection& sql, const std::string& database) {
  sql.execute("DROP DATABASE IF EXISTS " + database);
  sql.execute("CREATE DATABASE " + database + " CHARACTER SET utf8mb4");
  sql.execute("USE " + database);
}

constexpr const char* kEveryType =
    "CREATE TABLE t (id INT PRIMARY KEY, tiny TINYINT, utiny TINYINT UNSIGNED, small SMALLINT, "
    "usmall SMALLINT UNSIGNED, medium MEDIUMINT, umedium MEDIUMINT UNSIGNED, uint INT UNSIGNED, "
    "big BIGINT, ubig BIGINT UNSIGNED, yes BOOL, bits BIT(64), year YEAR, amount DECIMAL(38,10), "
    "f FLOAT, d DOUBLE, c CHAR(8), v VARCHAR(2000), long_text LONGTEXT, e ENUM('b','a'), "
    "s SET('x','y'), bin VARBINARY(300), blob_ LONGBLOB, day DATE, t TIME(6), "
    "seen DATETIME(6), stamp TIMESTAMP(6) NULL)";

std::string bytes(size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += static_cast<char>(i * 37);
  return quote_bytes(out);
}

// Edges of every type; rows of NULLs and of long texts between short ones.
void fill_every_type(SqlConnection& sql) {
  const std::string small =
      "(1, -128, 0, -32768, 0, -8388608, 0, 0, -9223372036854775808, 0, 0, 0, 1901, "
      "'-9999999999999999999999999999.9999999999', -0.1, -0e0, '', '', '', 'b', '', '', '', "
      "'0001-01-01', '-838:59:59', '0001-01-01 00:00:00', '1970-01-01 00:00:01')";
  const std::string large =
      "(2, 127, 255, 32767, 65535, 8388607, 16777215, 4294967295, 9223372036854775807, "
      "18446744073709551615, 1, 18446744073709551615, 2155, "
      "'9999999999999999999999999999.9999999999', 3.4e38, 1.7976931348623157e308, 'öäü', "
      "REPEAT('тест', 500), REPEAT('long ', 60000), 'a', 'x,y', " +
      bytes(300) + ", " + bytes(200'000) +
      ", '9999-12-31', '838:59:58.999999', "
      "'9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999999')";
  const std::string nulls = "(3" + [] {
    std::string out;
    for (int i = 0; i < 26; ++i) out += ", NULL";
    return out;
  }() + ")";
  const std::string common =
      "(4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 1, 5, 2026, 1.50, 0.1, 0.1, 'a', 'b', 'c', 'a', 'y', "
      "'d', 'e', '2026-03-03', '12:30:00.5', '2026-03-03 14:00:00.25', '2026-03-03 14:00:00')";
  sql.execute("INSERT INTO t VALUES " + small + ", " + large + ", " + nulls + ", " + common);
}

void numbered(SqlConnection& sql, int rows, const std::string& width) {
  sql.execute("CREATE TABLE n (id BIGINT PRIMARY KEY, t TEXT)");
  sql.execute(
      fmt::format("INSERT INTO n SELECT seq, REPEAT(seq, {}) FROM mysql.seq_1_to_{}", width, rows));
}

ErrorCode code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code;
  }
  FAIL("nothing was thrown");
  return ErrorCode::kInvalid;
}

}  // namespace

TEST_CASE("bulk: every type has the cells and the digest of the row by row path, MariaDB",
          "[bulk][mariadb]") {
  SqlServer server = mariadb().server();
  SqlConnection sql(server);
  fresh(sql, "bulk");
  sql.execute(kEveryType);
  fill_every_type(sql);
  server.database = "bulk";
  BulkRead read;
  read.from = "t";
  read.columns = columns_of(sql, "t");
  read.order = "id";
  const std::vector<Row> wanted = by_cells(server, read);
  REQUIRE(wanted.size() == 4);
  for (const BulkProtocol protocol : {BulkProtocol::kBinary, BulkProtocol::kText}) {
    CAPTURE(static_cast<int>(protocol));
    read.protocol = protocol;
    const Reading got = by_bulk(server, read);
    for (size_t i = 0; i < wanted.size(); ++i) {
      for (size_t c = 0; c < wanted[i].size(); ++c) {
        CAPTURE(i, read.columns[c].name, wanted[i][c].payload, got.rows[i][c].payload);
        CHECK(got.rows[i][c] == wanted[i][c]);
      }
    }
    CHECK(slice_of(read.columns, got.rows) == slice_of(read.columns, wanted));
  }
}

TEST_CASE("bulk: every type of a commit in Dolt", "[bulk][dolt]") {
  DoltDatabase db;
  db.run(kEveryType);
  fill_every_type(db.sql());
  db.run("ALTER TABLE t ADD COLUMN j JSON");
  db.run("UPDATE t SET j = '{\"b\": 1.50, \"a\": [null, \"é\"]}' WHERE id = 4");
  const std::string commit = db.commit();
  db.run("DELETE FROM t");  // only what the commit holds is read
  const SqlServer server = db.server().server();
  BulkRead read;
  read.from = fmt::format("`{}/{}`.t", db.name(), commit);
  read.columns = columns_of(db.sql(), "t");
  read.protocol = BulkProtocol::kText;
  read.key = 0;
  const std::vector<Row> wanted = by_cells(server, read);
  REQUIRE(wanted.size() == 4);
  for (const size_t connections : {1, 2}) {
    read.connections = connections;
    const Reading got = by_bulk(server, read);
    CHECK(got.rows == wanted);
    CHECK(slice_of(read.columns, got.rows) == slice_of(read.columns, wanted));
  }
}

TEST_CASE("bulk: ranges come in key order, dense or far apart, in bounded batches",
          "[bulk][mariadb]") {
  SqlServer server = mariadb().server();
  SqlConnection sql(server);
  fresh(sql, "bulk");
  numbered(sql, 5000, "3");
  sql.execute(
      "INSERT INTO n VALUES (-9223372036854775808, 'least'), (-7, 'x'), (0, NULL), "
      "(4611686018427387904, 'far'), (9223372036854775807, 'most')");
  server.database = "bulk";
  BulkRead read;
  read.from = "n";
  read.columns = columns_of(sql, "n");
  read.key = 0;
  const std::vector<Row> wanted = by_cells(server, read);
  REQUIRE(wanted.size() == 5005);
  for (const size_t connections : {1, 2, 3}) {
    for (const uint64_t batch_rows : {1, 700, 65536}) {
      CAPTURE(connections, batch_rows);
      read.connections = connections;
      read.batch_rows = batch_rows;
      const Reading got = by_bulk(server, read);
      CHECK(got.rows == wanted);
      CHECK(got.batches >= wanted.size() / batch_rows);
    }
  }
  sql.execute("DELETE FROM n WHERE id < 1 OR id > 5000");
  read.batch_rows = 700;
  CHECK(by_bulk(server, read).batches == 8);
  read.batch_rows = 65536;
  read.batch_bytes = 10'000;  // 16 and some of text for each row
  CHECK(by_bulk(server, read).batches > 8);
  read.where = "id % 2 = 0 OR id = 1";
  CHECK(by_bulk(server, read).rows.size() == 2501);
  sql.execute("DELETE FROM n");
  CHECK(by_bulk(server, read).rows.empty());
}

TEST_CASE("bulk: a connection lost among the rows is never their end", "[bulk][mariadb]") {
  SqlServer server = mariadb().server();
  SqlConnection sql(server);
  fresh(sql, "bulk");
  numbered(sql, 200'000, "40");
  server.database = "bulk";
  BulkRead read;
  read.from = "n";
  read.columns = columns_of(sql, "n");
  read.batch_rows = 1000;
  const auto kill_all = [&] {
    for (const SqlCells& row :
         sql.rows("SELECT id FROM information_schema.processlist WHERE db = 'bulk' AND id <> "
                  "CONNECTION_ID()")) {
      try {
        sql.execute("KILL CONNECTION " + *row[0]);
      } catch (const Error&) {
        // It ended by itself.
      }
    }
  };
  for (const BulkProtocol protocol : {BulkProtocol::kBinary, BulkProtocol::kText}) {
    CAPTURE(static_cast<int>(protocol));
    read.protocol = protocol;
    read.key.reset();
    read.order = "id";
    uint64_t seen = 0;
    const auto sink = [&](const std::vector<ArrowArray>& batch) {
      if (seen % 50'000 == 0) kill_all();
      for (uint64_t i = 0; i < batch[0].rows; ++i) {
        if (batch[0].integer(i) != static_cast<int64_t>(++seen)) FAIL("row " << seen);
      }
    };
    // Without a key the rows can't be asked for from the middle on.
    CHECK(code_of([&] { read_bulk(server, read, sink); }) == ErrorCode::kUnavailable);
    CHECK(seen < 200'000);
    read.key = 0;
    for (const size_t connections : {1, 2}) {
      CAPTURE(connections);
      read.connections = connections;
      seen = 0;
      CHECK(read_bulk(server, read, sink) == 200'000);
      CHECK(seen == 200'000);
    }
  }
}

TEST_CASE("bulk: what the sink throws ends the reading", "[bulk][mariadb]") {
  SqlServer server = mariadb().server();
  SqlConnection sql(server);
  fresh(sql, "bulk");
  numbered(sql, 20'000, "4");
  server.database = "bulk";
  BulkRead read;
  read.from = "n";
  read.columns = columns_of(sql, "n");
  read.key = 0;
  read.batch_rows = 100;
  for (const size_t connections : {1, 3}) {
    read.connections = connections;
    size_t calls = 0;
    CHECK(code_of([&] {
            read_bulk(server, read, [&](const std::vector<ArrowArray>&) {
              if (++calls == 7) throw Error(ErrorCode::kUnavailable, "no room");
            });
          }) == ErrorCode::kUnavailable);
    CHECK(calls == 7);
  }
}

TEST_CASE("bulk: refused with the column's name, or the server's number", "[bulk][mariadb]") {
  SqlServer server = mariadb().server();
  SqlConnection sql(server);
  fresh(sql, "bulk");
  sql.execute("CREATE TABLE t (id INT PRIMARY KEY, day DATE, n INT)");
  sql.execute("INSERT INTO t VALUES (1, NULL, 1)");
  sql.execute("SET SESSION sql_mode = ''");
  sql.execute("INSERT INTO t VALUES (2, '2026-00-10', 1)");
  server.database = "bulk";
  BulkRead read;
  read.from = "t";
  read.columns = columns_of(sql, "t");
  const auto nobody = [](const std::vector<ArrowArray>&) {};
  for (const BulkProtocol protocol : {BulkProtocol::kBinary, BulkProtocol::kText}) {
    read.protocol = protocol;
    try {
      read_bulk(server, read, nobody);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.code == ErrorCode::kInvalid);
      CHECK(error.message.find("column day") != std::string::npos);
      CHECK(error.message.find("2026-00-10") != std::string::npos);
    }
  }
  read.key = 2;  // not different in every row
  read.columns.erase(read.columns.begin() + 1);
  read.key = 1;
  CHECK(code_of([&] { read_bulk(server, read, nobody); }) == ErrorCode::kCorrupt);
  read.key.reset();
  read.from = "nothing";
  CHECK(code_of([&] { read_bulk(server, read, nobody); }) == ErrorCode::kNotFound);
  server.socket = "/nowhere/at/all";
  CHECK(code_of([&] { read_bulk(server, read, nobody); }) == ErrorCode::kUnavailable);
}

TEST_CASE("bulk: a certificate must be known and made out to the host", "[bulk][dolt]") {
  TempFolder folder, other;
  make_certificate(folder.path(), "DNS:localhost");
  make_certificate(other.path(), "DNS:localhost");
  DoltServer server(
      fmt::format("  tls_key: {0}/key.pem\n  tls_cert: {0}/cert.pem\n", folder.path().string()));
  BulkRead read;
  read.from = "(SELECT 1 AS n) AS t";
  read.columns = {sql_column("n", "int", "")};
  read.protocol = BulkProtocol::kText;
  const auto outcome = [&](const std::string& host, const fs::path& authority) {
    SqlServer far = server.by_port();
    far.verify_tls = true;
    far.host = host;
    far.ca_file = authority;
    try {
      return by_bulk(far, read).rows.size() == 1 ? "connected" : "no answer";
    } catch (const Error& error) {
      return error.code == ErrorCode::kDenied ? "denied" : "something else";
    }
  };
  CHECK(outcome("localhost", folder.path() / "cert.pem") == std::string("connected"));
  CHECK(outcome("localhost", "") == std::string("denied"));  // an unknown authority
  CHECK(outcome("127.0.0.1", folder.path() / "cert.pem") == std::string("denied"));
  CHECK(outcome("localhost", other.path() / "cert.pem") == std::string("denied"));
  CHECK(outcome("localhost", folder.path() / "none.pem") != std::string("connected"));
}
