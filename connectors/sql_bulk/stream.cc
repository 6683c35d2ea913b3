#include "connectors/sql_bulk/stream.h"

#include <errmsg.h>
#include <fmt/format.h>
#include <mysql.h>

#include <algorithm>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

constexpr size_t kFirstText_bytes = 256;  // of a bound buffer; grows with what comes
constexpr unsigned long kMostPacket_bytes = 1ul << 30;

// How a cell of the binary protocol lies in its buffer.
enum class Bound { kInt8, kInt16, kInt32, kInt64, kFloat, kDouble, kTime, kText };

struct Buffer {
  Bound bound = Bound::kText;
  bool is_unsigned = false;
  union {
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    float f32;
    double f64;
  } number = {};
  MYSQL_TIME time{};
  std::string text;
  unsigned long length = 0;
  my_bool null = 0, error = 0;
};

Bound bound_for(const SqlColumn& column, enum_field_types type) {
  const ArrowType wanted = bulk_type(column);
  const bool whole = wanted == ArrowType::kInt64 || wanted == ArrowType::kUint64;
  const bool real = wanted == ArrowType::kFloat64;
  const bool timed = column.tag == ValueTag::kDate || column.tag == ValueTag::kTime ||
                     column.tag == ValueTag::kDatetime;
  switch (type) {
    case MYSQL_TYPE_TINY:
      return whole ? Bound::kInt8 : Bound::kText;
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR:
      return whole ? Bound::kInt16 : Bound::kText;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
      return whole ? Bound::kInt32 : Bound::kText;
    case MYSQL_TYPE_LONGLONG:
      return whole ? Bound::kInt64 : Bound::kText;
    case MYSQL_TYPE_FLOAT:
      return real ? Bound::kFloat : Bound::kText;
    case MYSQL_TYPE_DOUBLE:
      return real ? Bound::kDouble : Bound::kText;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_TIME:
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
      return timed ? Bound::kTime : Bound::kText;
    default:
      return Bound::kText;
  }
}

// As the library names the buffers; a time keeps the type of its field.
enum_field_types buffer_type(const Buffer& buffer, enum_field_types field) {
  switch (buffer.bound) {
    case Bound::kInt8:
      return MYSQL_TYPE_TINY;
    case Bound::kInt16:
      return MYSQL_TYPE_SHORT;
    case Bound::kInt32:
      return MYSQL_TYPE_LONG;
    case Bound::kInt64:
      return MYSQL_TYPE_LONGLONG;
    case Bound::kFloat:
      return MYSQL_TYPE_FLOAT;
    case Bound::kDouble:
      return MYSQL_TYPE_DOUBLE;
    case Bound::kTime:
      return field;
    case Bound::kText:
      break;
  }
  return MYSQL_TYPE_STRING;
}

// As the text protocol would show it.
std::string time_text(const MYSQL_TIME& time, ValueTag tag) {
  if (tag == ValueTag::kDate) {
    return fmt::format("{:04}-{:02}-{:02}", time.year, time.month, time.day);
  }
  if (tag == ValueTag::kTime) {
    return fmt::format("{}{:02}:{:02}:{:02}.{:06}", time.neg ? "-" : "", time.day * 24 + time.hour,
                       time.minute, time.second, time.second_part);
  }
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}", time.year, time.month, time.day,
                     time.hour, time.minute, time.second, time.second_part);
}

template <typename T>
int64_t widened(T value, bool is_unsigned) {
  return is_unsigned ? static_cast<int64_t>(static_cast<std::make_unsigned_t<T>>(value)) : value;
}

int64_t whole(const Buffer& buffer) {
  switch (buffer.bound) {
    case Bound::kInt8:
      return widened(buffer.number.i8, buffer.is_unsigned);
    case Bound::kInt16:
      return widened(buffer.number.i16, buffer.is_unsigned);
    case Bound::kInt32:
      return widened(buffer.number.i32, buffer.is_unsigned);
    default:
      return buffer.number.i64;
  }
}

}  // namespace

struct BulkStream::Session {
  explicit Session(const SqlServer& to) : server(to), mysql(mysql_init(nullptr)) {
    if (!mysql) throw Error(ErrorCode::kUnavailable, "no memory for a connection");
  }
  ~Session() {
    if (statement) mysql_stmt_close(statement);
    if (result) mysql_free_result(result);
    mysql_close(mysql);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void connect();
  std::string first_cell(const char* sql);
  void begin_text(const std::string& select);
  void begin_binary(const std::string& select);
  void bind();
  bool next_text(BulkBatch& batch);
  bool next_binary(BulkBatch& batch);
  void fetch_long_texts();
  void take(size_t column, const Buffer& buffer, BulkBatch& batch) const;
  void end_answer();
  void check_width(unsigned int count) const;

  [[noreturn]] void failed() const {
    throw SqlError(static_cast<int>(mysql_errno(mysql)), mysql_sqlstate(mysql), mysql_error(mysql),
                   server.shown());
  }
  // Where a connection is lost among the rows the statement has no error of its own.
  [[noreturn]] void statement_failed() const {
    const unsigned int number = mysql_stmt_errno(statement);
    if (number == 0 && mysql_errno(mysql) != 0) failed();
    if (number == 0)
      throw SqlError(CR_SERVER_LOST, "HY000", "the connection ended", server.shown());
    throw SqlError(static_cast<int>(number), mysql_stmt_sqlstate(statement),
                   mysql_stmt_error(statement), server.shown());
  }

  SqlServer server;
  MYSQL* mysql;
  MYSQL_RES* result = nullptr;      // of the text protocol
  MYSQL_STMT* statement = nullptr;  // of the binary one
  const std::vector<SqlColumn>* columns = nullptr;
  std::vector<Buffer> buffers;
  std::vector<MYSQL_BIND> binds;
};

// As SqlConnection connects.
void BulkStream::Session::connect() {
  const auto connect_s = static_cast<unsigned int>(server.connect_timeout_s);
  const auto read_s = static_cast<unsigned int>(server.read_timeout_s);
  const unsigned int no = 0;
  const my_bool yes = 1;
  mysql_optionsv(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
  mysql_optionsv(mysql, MYSQL_OPT_READ_TIMEOUT, &read_s);
  mysql_optionsv(mysql, MYSQL_OPT_WRITE_TIMEOUT, &read_s);
  mysql_optionsv(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  mysql_optionsv(mysql, MYSQL_OPT_LOCAL_INFILE, &no);
  mysql_optionsv(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &kMostPacket_bytes);
  if (server.verified()) {
    mysql_optionsv(mysql, MYSQL_OPT_SSL_ENFORCE, &yes);
    mysql_optionsv(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
    if (!server.ca_file.empty()) mysql_optionsv(mysql, MYSQL_OPT_SSL_CA, server.ca_file.c_str());
  }
  const bool local = !server.socket.empty();
  // Else the library takes "localhost" for a socket of its own choice.
  const unsigned int way = local ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
  mysql_optionsv(mysql, MYSQL_OPT_PROTOCOL, &way);
  if (!mysql_real_connect(mysql, local ? nullptr : server.host.c_str(), server.user.c_str(),
                          server.password.c_str(),
                          server.database.empty() ? nullptr : server.database.c_str(), server.port,
                          local ? server.socket.c_str() : nullptr, 0)) {
    failed();
  }
  for (const char* set_up : kSqlSessionSetUp) {
    if (mysql_query(mysql, set_up) != 0) failed();
  }
  if (first_cell(kSqlQuotesWork) != "1") throw own_quotes(server);
}

std::string BulkStream::Session::first_cell(const char* sql) {
  if (mysql_query(mysql, sql) != 0) failed();
  MYSQL_RES* answer = mysql_store_result(mysql);
  if (!answer) failed();
  MYSQL_ROW row = mysql_fetch_row(answer);
  std::string cell = row && row[0] ? row[0] : "";
  mysql_free_result(answer);
  return cell;
}

void BulkStream::Session::check_width(unsigned int count) const {
  if (count == columns->size()) return;
  throw Error(ErrorCode::kInvalid, fmt::format("{} answers with {} columns instead of {}",
                                               server.shown(), count, columns->size()));
}

void BulkStream::Session::begin_text(const std::string& select) {
  if (mysql_real_query(mysql, select.data(), select.size()) != 0) failed();
  result = mysql_use_result(mysql);
  if (!result) failed();
  check_width(mysql_num_fields(result));
}

void BulkStream::Session::begin_binary(const std::string& select) {
  statement = mysql_stmt_init(mysql);
  if (!statement) failed();
  if (mysql_stmt_prepare(statement, select.data(), select.size()) != 0) statement_failed();
  check_width(mysql_stmt_field_count(statement));
  if (mysql_stmt_execute(statement) != 0) statement_failed();
  MYSQL_RES* described = mysql_stmt_result_metadata(statement);
  if (!described) statement_failed();
  const MYSQL_FIELD* fields = mysql_fetch_fields(described);
  buffers.assign(columns->size(), {});
  binds.assign(columns->size(), {});
  for (size_t i = 0; i < buffers.size(); ++i) {
    buffers[i].bound = bound_for((*columns)[i], fields[i].type);
    buffers[i].is_unsigned = (fields[i].flags & UNSIGNED_FLAG) != 0;
    buffers[i].text.resize(buffers[i].bound == Bound::kText ? kFirstText_bytes : 0);
    binds[i].buffer_type = buffer_type(buffers[i], fields[i].type);
  }
  mysql_free_result(described);
  bind();
}

// Buffers do not move while they are bound: the vectors keep their size.
void BulkStream::Session::bind() {
  for (size_t i = 0; i < buffers.size(); ++i) {
    Buffer& buffer = buffers[i];
    MYSQL_BIND& to = binds[i];
    const bool text = buffer.bound == Bound::kText;
    const bool time = buffer.bound == Bound::kTime;
    to.buffer = text   ? static_cast<void*>(buffer.text.data())
                : time ? static_cast<void*>(&buffer.time)
                       : static_cast<void*>(&buffer.number);
    to.buffer_length = text ? buffer.text.size() : time ? sizeof buffer.time : sizeof buffer.number;
    to.is_unsigned = buffer.is_unsigned;
    to.length = &buffer.length;
    to.is_null = &buffer.null;
    to.error = &buffer.error;
  }
  if (mysql_stmt_bind_result(statement, binds.data())) statement_failed();
}

bool BulkStream::Session::next_text(BulkBatch& batch) {
  MYSQL_ROW row = mysql_fetch_row(result);
  if (!row) {
    if (mysql_errno(mysql) != 0) failed();  // a lost connection is never the end of the rows
    return false;
  }
  const unsigned long* lengths = mysql_fetch_lengths(result);
  for (size_t i = 0; i < columns->size(); ++i) {
    row[i] ? batch.add_text(i, {row[i], lengths[i]}) : batch.add_null(i);
  }
  batch.end_row();
  return true;
}

// What was longer than its buffer is fetched whole; from the next row on there is room.
void BulkStream::Session::fetch_long_texts() {
  bool grown = false;
  for (size_t i = 0; i < buffers.size(); ++i) {
    Buffer& buffer = buffers[i];
    if (buffer.bound != Bound::kText || buffer.null || buffer.length <= buffer.text.size())
      continue;
    grown = true;
    buffer.text.resize(std::max<size_t>(buffer.length, buffer.text.size() * 2));
    MYSQL_BIND whole_cell = binds[i];
    whole_cell.buffer = buffer.text.data();
    whole_cell.buffer_length = buffer.text.size();
    if (mysql_stmt_fetch_column(statement, &whole_cell, static_cast<unsigned int>(i), 0) != 0) {
      statement_failed();
    }
  }
  if (grown) bind();
}

void BulkStream::Session::take(size_t column, const Buffer& buffer, BulkBatch& batch) const {
  if (buffer.null) return batch.add_null(column);
  const ValueTag tag = (*columns)[column].tag;
  switch (buffer.bound) {
    case Bound::kFloat:
      return batch.add_real(column, buffer.number.f32);
    case Bound::kDouble:
      return batch.add_real(column, buffer.number.f64);
    case Bound::kTime:
      return batch.add_text(column, time_text(buffer.time, tag));
    case Bound::kText:
      return batch.add_text(column, {buffer.text.data(), buffer.length});
    default:
      break;
  }
  const int64_t value = whole(buffer);
  const bool beyond = buffer.is_unsigned && buffer.bound == Bound::kInt64 && value < 0;
  const bool wide = bulk_type((*columns)[column]) == ArrowType::kUint64;
  if (!wide && !beyond) return batch.add_int(column, value);
  if (wide && (buffer.is_unsigned || value >= 0)) {
    return batch.add_natural(column, static_cast<uint64_t>(value));
  }
  batch.add_text(column, beyond ? std::to_string(static_cast<uint64_t>(value))
                                : std::to_string(value));  // says that it does not fit
}

bool BulkStream::Session::next_binary(BulkBatch& batch) {
  const int code = mysql_stmt_fetch(statement);
  if (code == MYSQL_NO_DATA) return false;
  if (code != 0 && code != MYSQL_DATA_TRUNCATED) statement_failed();
  const auto too_long = [](const Buffer& buffer) {
    return buffer.bound == Bound::kText && !buffer.null && buffer.length > buffer.text.size();
  };
  if (std::any_of(buffers.begin(), buffers.end(), too_long)) fetch_long_texts();
  for (size_t i = 0; i < buffers.size(); ++i) take(i, buffers[i], batch);
  batch.end_row();
  return true;
}

void BulkStream::Session::end_answer() {
  if (statement) mysql_stmt_close(statement);
  if (result) mysql_free_result(result);
  statement = nullptr;
  result = nullptr;
}

BulkStream::BulkStream(const SqlServer& server) : session_(std::make_unique<Session>(server)) {
  session_->connect();
}

BulkStream::~BulkStream() = default;

void BulkStream::begin(const std::string& select, const std::vector<SqlColumn>& columns,
                       BulkProtocol protocol) {
  session_->columns = &columns;
  protocol == BulkProtocol::kText ? session_->begin_text(select) : session_->begin_binary(select);
}

bool BulkStream::next(BulkBatch& batch) {
  const bool more = session_->result ? session_->next_text(batch) : session_->next_binary(batch);
  if (!more) session_->end_answer();
  return more;
}

}  // namespace lockstep
