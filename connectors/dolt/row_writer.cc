#include "connectors/dolt/row_writer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "connectors/sql/quote.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr size_t kAtOnce = 200;  // rows to a statement

std::string names(const std::vector<SqlColumn>& columns) {
  std::vector<std::string> out;
  for (const SqlColumn& column : columns) out.push_back(quote_name(column.name));
  return fmt::to_string(fmt::join(out, ", "));
}

}  // namespace

DoltRowWriter::DoltRowWriter(SqlConnection& sql, const DoltTable& table, const TableChange& change)
    : sql_(sql), table_(table), change_(change) {
  if (table.key.empty()) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("table {} has no key: rows can't be told apart", printable(table.name)),
                "ALTER TABLE … ADD PRIMARY KEY");
  }
  for (const std::string& name : change.columns) columns_.push_back(table.column(name));
  for (const std::string& name : table.key) {
    key_.push_back(table.column(name));
    const auto found = std::find(change.columns.begin(), change.columns.end(), name);
    key_at_.push_back(static_cast<size_t>(found - change.columns.begin()));
    if (found == change.columns.end() && !change.put.empty()) {
      throw Error(ErrorCode::kInvalid, fmt::format("rows for table {} lack the key's column {}",
                                                   printable(table.name), printable(name)));
    }
  }
}

std::string DoltRowWriter::key_text(const std::vector<Value>& key) {
  std::string out;
  for (const Value& value : key) {
    out += fmt::format("{}:{}:", static_cast<int>(value.tag), value.payload.size()) + value.payload;
  }
  return out;
}

std::vector<Value> DoltRowWriter::key_of(const Row& put) const {
  std::vector<Value> out;
  for (size_t at : key_at_) out.push_back(put.at(at));
  return out;
}

std::string DoltRowWriter::place(const std::vector<Value>& key) const {
  std::vector<std::string> parts;
  for (size_t i = 0; i < key.size(); ++i) {
    parts.push_back(printable(key_[i].name) + "=" + printable(display(key[i]), 60));
  }
  return fmt::format("{}[{}]", printable(table_.name), fmt::join(parts, ","));
}

// By the column's own comparison, for the index; a collation may let another key through, so what
// comes back is compared by canonical cells.
std::string DoltRowWriter::condition(const std::vector<Value>& key) const {
  std::vector<std::string> parts;
  for (size_t i = 0; i < key_.size(); ++i) {
    if (key.at(i).tag == ValueTag::kNull) {
      throw Error(ErrorCode::kInvalid, "a key can't be NULL", "", place(key));
    }
    parts.push_back(quote_name(key_[i].name) + " = " + write_cell(key_[i], key[i]));
  }
  return fmt::format("({})", fmt::join(parts, " AND "));
}

std::string DoltRowWriter::conditions(const Rows& rows) const {
  std::vector<Row> keys;
  for (const Row* row : rows) keys.push_back(key_of(*row));
  return conditions(keys);
}

std::string DoltRowWriter::conditions(const std::vector<Row>& keys) const {
  std::vector<std::string> parts;
  for (const Row& key : keys) parts.push_back(condition(key));
  return fmt::to_string(fmt::join(parts, " OR "));
}

// The rows of these keys as the transaction sees them, by key.
std::map<std::string, Row> DoltRowWriter::there(const Rows& rows) {
  std::vector<std::string> cells;
  for (const SqlColumn& column : columns_) {
    cells.push_back(select_cell(column, quote_name(column.name)));
  }
  std::map<std::string, Row> out;
  sql_.query(fmt::format("SELECT {} FROM {} WHERE {}", fmt::join(cells, ", "),
                         quote_name(table_.name), conditions(rows)),
             [&](const SqlRow& texts) {
               Row row;
               for (size_t i = 0; i < columns_.size(); ++i) {
                 row.push_back(read_cell(columns_[i], texts.at(i)));
               }
               std::string key = key_text(key_of(row));
               out[std::move(key)] = std::move(row);
             });
  return out;
}

std::string DoltRowWriter::values(const Row& row) const {
  std::vector<std::string> cells;
  for (size_t i = 0; i < columns_.size(); ++i) cells.push_back(write_cell(columns_[i], row.at(i)));
  return fmt::format("({})", fmt::join(cells, ", "));
}

Error DoltRowWriter::unfit(const Row& row, const Error& why) const {
  if (why.code != ErrorCode::kInvalid) return why;
  return Error(why.code, why.message, why.hint, place(key_of(row)));
}

void DoltRowWriter::insert(const Rows& rows) {
  if (rows.empty()) return;
  const std::string begin =
      fmt::format("INSERT INTO {} ({}) VALUES ", quote_name(table_.name), names(columns_));
  try {
    std::vector<std::string> all;
    for (const Row* row : rows) all.push_back(values(*row));
    sql_.execute(begin + fmt::to_string(fmt::join(all, ", ")));
  } catch (const Error& error) {
    if (error.code != ErrorCode::kInvalid) throw;
    if (rows.size() == 1) throw unfit(*rows[0], error);
    for (const Row* row : rows) insert({row});  // one of them says which it is
  }
}

// Whether rows that are there may be written as new ones whose key is taken, many to a statement.
// That needs all columns, or one without a default would be missed; and it would wake triggers that
// are for new rows.
bool DoltRowWriter::together() {
  if (!together_) {
    together_ = columns_.size() == table_.columns.size() && columns_.size() > key_.size();
    for (const SqlCells& trigger : sql_.rows("SHOW TRIGGERS")) {
      if (trigger.size() < 3 || trigger[2] == table_.name) together_ = false;
    }
  }
  return *together_;
}

void DoltRowWriter::update(const Rows& rows) {
  if (rows.size() > 1 && together()) {
    std::vector<std::string> all, sets;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (std::find(key_at_.begin(), key_at_.end(), i) != key_at_.end()) continue;
      const std::string name = quote_name(columns_[i].name);
      sets.push_back(fmt::format("{} = VALUES({})", name, name));
    }
    try {
      for (const Row* row : rows) all.push_back(values(*row));
      sql_.execute(fmt::format("INSERT INTO {} ({}) VALUES {} ON DUPLICATE KEY UPDATE {}",
                               quote_name(table_.name), names(columns_), fmt::join(all, ", "),
                               fmt::join(sets, ", ")));
      return;
    } catch (const Error& error) {
      if (error.code != ErrorCode::kInvalid) throw;  // else one of them says which it is
    }
  }
  for (const Row* row : rows) update_one(*row);
}

void DoltRowWriter::update_one(const Row& row) {
  std::vector<std::string> sets;
  try {
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (std::find(key_at_.begin(), key_at_.end(), i) != key_at_.end()) continue;
      sets.push_back(quote_name(columns_[i].name) + " = " + write_cell(columns_[i], row.at(i)));
    }
    if (sets.empty()) return;
    sql_.execute(fmt::format("UPDATE {} SET {} WHERE {}", quote_name(table_.name),
                             fmt::join(sets, ", "), condition(key_of(row))));
  } catch (const Error& error) {
    throw unfit(row, error);
  }
}

void DoltRowWriter::put(const Rows& rows) {
  const std::map<std::string, Row> before = there(rows);
  Rows fresh, changed;
  for (const Row* row : rows) {
    const auto found = before.find(key_text(key_of(*row)));
    if (found == before.end()) {
      fresh.push_back(row);
    } else if (found->second != *row) {
      changed.push_back(row);
    }
  }
  update(changed);
  insert(fresh);
  // Servers round what is too fine for a column, and merge rows by a collation, without an error.
  const std::map<std::string, Row> after = there(rows);
  for (const Row* row : rows) {
    const auto found = after.find(key_text(key_of(*row)));
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (found != after.end() && found->second[i] == (*row)[i]) continue;
      throw Error(ErrorCode::kInvalid,
                  fmt::format("column {} ({}) can't hold {} exactly", printable(columns_[i].name),
                              columns_[i].declared, printable(display((*row)[i]), 60)),
                  "round it before it is written, or widen the column", place(key_of(*row)));
    }
  }
}

void DoltRowWriter::remove(const std::vector<Row>& keys) {
  std::vector<std::string> cells;
  for (const SqlColumn& column : key_) {
    cells.push_back(select_cell(column, quote_name(column.name)));
  }
  std::set<std::string> there;
  sql_.query(fmt::format("SELECT {} FROM {} WHERE {}", fmt::join(cells, ", "),
                         quote_name(table_.name), conditions(keys)),
             [&](const SqlRow& texts) {
               Row key;
               for (size_t i = 0; i < key_.size(); ++i) {
                 key.push_back(read_cell(key_[i], texts.at(i)));
               }
               there.insert(key_text(key));
             });
  std::vector<Row> found;  // the others are gone already, or a collation takes another for them
  for (const Row& key : keys) {
    if (there.erase(key_text(key)) > 0) found.push_back(key);
  }
  if (found.empty()) return;
  const uint64_t gone = sql_.execute(
      fmt::format("DELETE FROM {} WHERE {}", quote_name(table_.name), conditions(found)));
  if (gone == found.size()) return;
  throw Error(ErrorCode::kCorrupt, fmt::format("{} rows of table {} went instead of {}", gone,
                                               printable(table_.name), found.size()));
}

void DoltRowWriter::write() {
  for (const Row& key : change_.remove) {
    if (key.size() == key_.size()) continue;
    throw Error(ErrorCode::kInvalid, fmt::format("a key of table {} has {} cells, not {}",
                                                 printable(table_.name), key_.size(), key.size()));
  }
  for (size_t i = 0; i < change_.remove.size(); i += kAtOnce) {
    const size_t end = std::min(i + kAtOnce, change_.remove.size());
    const auto begin = change_.remove.begin();
    remove({begin + static_cast<std::ptrdiff_t>(i), begin + static_cast<std::ptrdiff_t>(end)});
  }
  for (size_t i = 0; i < change_.put.size(); i += kAtOnce) {
    Rows rows;
    for (size_t k = i; k < std::min(i + kAtOnce, change_.put.size()); ++k) {
      rows.push_back(&change_.put[k]);
    }
    put(rows);
  }
}

}  // namespace lockstep
