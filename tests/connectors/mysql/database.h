// A fresh database on a MariaDB server that all tests share, and a store over it.
// Knows nothing of what tests do with them.
#pragma once

#include <memory>

#include "connectors/mysql/table_store.h"
#include "connectors/sql/quote.h"
#include "pipeline/store/artifact_store.h"
#include "tests/connectors/sql/mariadb.h"

namespace lockstep {

// On its socket alone, and without waiting for the disk at every statement.
inline std::vector<std::string> mysql_options() {
  return {"--skip-networking", "--innodb-flush-log-at-trx-commit=0"};
}

inline MariadbServer& mysql_server() {
  static MariadbServer server(mysql_options());
  return server;
}

class MysqlDatabase {
 public:
  explicit MysqlDatabase(MariadbServer& server = mysql_server())
      : server_(server), name_(fmt::format("db{}", ++count())), sql_(server.server()) {
    sql_.execute("CREATE DATABASE " + name_ + " CHARACTER SET utf8mb4");
    sql_.execute("USE " + name_);
  }

  SqlConnection& sql() { return sql_; }
  void run(const std::string& statement) {
    if (!sql_.is_open()) sql_.execute("USE " + name_);
    sql_.execute(statement);
  }
  std::string value(const std::string& query) { return sql_.value(query).value_or("NULL"); }
  fs::path state() const { return folder_.path() / "state"; }

  // Every call of head() looks; warnings are collected here.
  MysqlConfig config(Files& files = real_files()) {
    MysqlConfig config;
    config.name = "tables";
    config.server = server_.server();
    config.server.database = name_;
    config.every_ms = 0;
    config.state = state();
    config.artifacts = std::make_shared<ArtifactStore>(state(), files);
    config.files = &files;
    config.warn = [this](const std::string& text) { warnings.push_back(text); };
    return config;
  }
  std::vector<std::string> warnings;

 private:
  static int& count() {
    static int count = 0;
    return count;
  }

  MariadbServer& server_;
  std::string name_;
  SqlConnection sql_;
  TempFolder folder_;
};

using Lines = std::vector<std::string>;

inline std::string show(const Row& row) {
  std::string out;
  for (const Value& value : row) {
    out += (out.empty() ? "" : "|") +
           (value.tag == ValueTag::kNull ? std::string("NULL") : display(value));
  }
  return out;
}

inline Lines read(TableStore& store, const std::string& commit, const std::string& table,
                  const Lines& columns, std::map<std::string, std::string> where = {}) {
  Lines out;
  store.read({commit, table, columns, std::move(where)},
             [&](const Row& row) { out.push_back(show(row)); });
  return out;
}

inline Lines diff(TableStore& store, const std::string& table, const std::string& from,
                  const std::string& to, const Lines& columns) {
  Lines out;
  store.diff(table, from, to, columns, [&](const Row* before, const Row* after) {
    out.push_back((before ? show(*before) : "-") + " > " + (after ? show(*after) : "-"));
  });
  return out;
}

inline std::string hash_of(TableStore& store, const std::string& commit, const std::string& table) {
  for (const TableInfo& info : store.tables(commit)) {
    if (info.name == table) return info.hash;
  }
  return "";
}

template <typename Call>
std::string code_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return std::string(word(error.code));
  }
  return "no error";
}

}  // namespace lockstep
