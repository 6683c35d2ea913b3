// The peer of tests/bench/rows in libmariadb alone: one connection, rows streamed into a matrix of
// float32, by the binary protocol with bound buffers or by text. What a program written by hand
// for this one table does; it checks nothing but the end of the rows.
#include <mysql.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "pipeline/base/digest.h"

namespace {

constexpr int kInts = 2, kDoubles = 8, kColumns = kInts + kDoubles + 1;
const char kSelect[] = "SELECT id, n, f0, f1, f2, f3, f4, f5, f6, f7, t FROM `rows` ORDER BY id";

[[noreturn]] void fail(const char* why) {
  std::fprintf(stderr, "%s\n", why);
  std::exit(1);
}

void by_binary(MYSQL* mysql, std::vector<float>& out) {
  MYSQL_STMT* statement = mysql_stmt_init(mysql);
  if (mysql_stmt_prepare(statement, kSelect, sizeof kSelect - 1) || mysql_stmt_execute(statement)) {
    fail(mysql_stmt_error(statement));
  }
  int32_t ints[kInts];
  double doubles[kDoubles];
  char text[256];
  unsigned long length = 0;
  my_bool null[kColumns];
  MYSQL_BIND binds[kColumns];
  std::memset(binds, 0, sizeof binds);
  for (int i = 0; i < kColumns; ++i) {
    binds[i].is_null = &null[i];
    binds[i].buffer_type = i < kInts ? MYSQL_TYPE_LONG : MYSQL_TYPE_DOUBLE;
    binds[i].buffer = i < kInts ? static_cast<void*>(&ints[i]) : &doubles[i - kInts];
    if (i < kColumns - 1) continue;
    binds[i].buffer_type = MYSQL_TYPE_STRING;
    binds[i].buffer = text;
    binds[i].buffer_length = sizeof text;
    binds[i].length = &length;
  }
  if (mysql_stmt_bind_result(statement, binds)) fail(mysql_stmt_error(statement));
  int code = 0;
  while ((code = mysql_stmt_fetch(statement)) == 0) {
    for (int32_t value : ints) out.push_back(static_cast<float>(value));
    for (double value : doubles) out.push_back(static_cast<float>(value));
  }
  if (code != MYSQL_NO_DATA) fail("the rows broke off");
  mysql_stmt_close(statement);
}

void by_text(MYSQL* mysql, std::vector<float>& out) {
  if (mysql_real_query(mysql, kSelect, sizeof kSelect - 1)) fail(mysql_error(mysql));
  MYSQL_RES* result = mysql_use_result(mysql);
  if (!result) fail(mysql_error(mysql));
  while (MYSQL_ROW row = mysql_fetch_row(result)) {
    for (int i = 0; i < kInts + kDoubles; ++i) {
      out.push_back(static_cast<float>(std::strtod(row[i], nullptr)));
    }
  }
  if (mysql_errno(mysql)) fail(mysql_error(mysql));
  mysql_free_result(result);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) fail("rows_raw PORT ROWS binary|text");
  const auto begin = std::chrono::steady_clock::now();
  MYSQL* mysql = mysql_init(nullptr);
  if (!mysql_real_connect(mysql, "127.0.0.1", "root", "", "shop",
                          static_cast<unsigned int>(std::atoi(argv[1])), nullptr, 0)) {
    fail(mysql_error(mysql));
  }
  std::vector<float> matrix;
  matrix.reserve(static_cast<size_t>(std::atoll(argv[2])) * (kInts + kDoubles));
  std::string(argv[3]) == "text" ? by_text(mysql, matrix) : by_binary(mysql, matrix);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  mysql_close(mysql);
  const char* bytes = reinterpret_cast<const char*>(matrix.data());
  std::printf("%.6f %zu %s\n", took.count(), matrix.size() / (kInts + kDoubles),
              lockstep::sha256({bytes, matrix.size() * sizeof(float)}).hex().c_str());
}
