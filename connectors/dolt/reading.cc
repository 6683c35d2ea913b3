#include "connectors/dolt/reading.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <exception>

#include "connectors/sql/quote.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

// What the caller's sink threw. It is kept apart from what the server did: nothing is run again.
class Guarded {
 public:
  template <typename Call>
  void sink(const Call& call) {
    try {
      call();
    } catch (...) {
      thrown_ = std::current_exception();
      throw Error(ErrorCode::kInvalid, "stopped by who reads");
    }
  }
  template <typename Call>
  void run(const Call& call) {
    try {
      call();
    } catch (...) {
      if (thrown_) std::rethrow_exception(thrown_);
      throw;
    }
  }

 private:
  std::exception_ptr thrown_;
};

// Which of a table's columns are asked for, and where in the answer.
struct Wanted {
  std::vector<SqlColumn> columns;  // as selected: those asked for, then others that are needed
  std::vector<size_t> identity;    // what tells rows apart, and orders them

  size_t add(const SqlColumn& column) {
    const auto found = std::find(columns.begin(), columns.end(), column);
    if (found != columns.end()) return static_cast<size_t>(found - columns.begin());
    columns.push_back(column);
    return columns.size() - 1;
  }
};

Wanted wanted(const DoltTable& table, const std::vector<std::string>& asked) {
  Wanted out;
  for (const std::string& name : asked) out.columns.push_back(table.column(name));
  for (const std::string& name : table.key) out.identity.push_back(out.add(table.column(name)));
  for (size_t i = 0; table.key.empty() && i < asked.size(); ++i) out.identity.push_back(i);
  return out;
}

// What is wrong with a cell, with its place.
Error refused(const Error& error, const DoltTable& table, const SqlColumn& column,
              const SqlKey& key, const DoltConfig& config) {
  return Error(
      error.code,
      fmt::format("column {} of {}: {}", printable(column.name), name_row(key), error.message),
      error.hint,
      fmt::format("{}@{}:{}", config.name, table.commit.substr(0, 12), printable(table.name)));
}

std::string select_rows(const DoltLink& link, const DoltTable& table, const Wanted& cells,
                        const std::map<std::string, std::string>& where) {
  std::vector<std::string> select, order, conditions;
  for (const SqlColumn& column : cells.columns) {
    select.push_back(select_cell(column, quote_name(column.name)));
  }
  for (size_t at : cells.identity) {
    order.push_back(order_cell(cells.columns[at], quote_name(cells.columns[at].name)));
  }
  for (const auto& [name, payload] : where) {
    std::string match = match_cell(table.column(name), quote_name(name), payload);
    if (!match.empty()) conditions.push_back(std::move(match));
  }
  return fmt::format("SELECT {} FROM {}.{}{}{}{}{}",
                     select.empty() ? "1" : fmt::to_string(fmt::join(select, ", ")),
                     link.at(table.commit), quote_name(table.name),
                     conditions.empty() ? "" : " WHERE ", fmt::join(conditions, " AND "),
                     order.empty() ? "" : " ORDER BY ", fmt::join(order, ", "));
}

bool same_columns(const DoltTable& before, const DoltTable& after, const std::string& name) {
  const SqlColumn* old_one = before.find(name);
  const SqlColumn* new_one = after.find(name);
  if (!old_one || !new_one || old_one->type != new_one->type) return false;
  const bool members = old_one->type == "enum" || old_one->type == "set";
  return !members || old_one->declared == new_one->declared;
}

void check_comparable(const DoltLink& link, const DoltTable& before, const DoltTable& after,
                      const std::vector<std::string>& columns) {
  const auto refuse = [&](const std::string& what) {
    return link.error(ErrorCode::kConflict,
                      fmt::format("table {}: {} between commits {} and {}", printable(after.name),
                                  what, before.commit.substr(0, 12), after.commit.substr(0, 12)),
                      "compare from scratch");
  };
  if (before.key != after.key) throw refuse("the key changed");
  std::vector<std::string> needed = columns;
  needed.insert(needed.end(), after.key.begin(), after.key.end());
  for (const std::string& name : needed) {
    if (!same_columns(before, after, name)) {
      throw refuse(fmt::format("column {} changed", printable(name)));
    }
    // dolt_diff has columns of its own by these names.
    if (name == "commit" || name == "commit_date") {
      throw refuse(fmt::format("differences can't show column {}", name));
    }
  }
}

// The delivery of rows in order, which can be begun again after a lost connection.
class Delivery {
 public:
  Delivery(const DoltLink& link, const DoltTable& table, const Wanted& cells)
      : link_(link), table_(table), cells_(cells) {}

  void begin() { seen_ = 0; }

  // Reads the next row of the answer into `row`; false where it was delivered before.
  bool take(const SqlRow& texts, Row& row) {
    ++seen_;
    const bool again = seen_ <= passed_;
    if (again && seen_ < passed_) return false;
    row.resize(cells_.columns.size());
    for (size_t i = 0; i < row.size(); ++i) {
      try {
        row[i] = read_cell(cells_.columns[i], texts.at(i));
      } catch (const Error& error) {
        SqlKey key;
        for (size_t at : cells_.identity) key.emplace_back(cells_.columns[at].name, texts.at(at));
        throw refused(error, table_, cells_.columns[i], table_.key.empty() ? SqlKey() : key,
                      link_.config());
      }
    }
    std::vector<Value> identity;
    for (size_t at : cells_.identity) identity.push_back(row[at]);
    if (again) {
      if (identity != last_) throw disorder("answered differently when asked again");
      return false;
    }
    if (!table_.key.empty() && passed_ > 0 && !ascends(last_, identity)) {
      throw disorder("came out of key order");
    }
    last_ = std::move(identity);
    passed_ = seen_;
    return true;
  }
  void finish() const {
    if (seen_ < passed_) throw disorder("were fewer when asked again");
  }

 private:
  static bool ascends(const std::vector<Value>& a, const std::vector<Value>& b) {
    for (size_t i = 0; i < a.size(); ++i) {
      const auto order = compare_values(a[i], b[i]);
      if (order != 0) return order < 0;
    }
    return false;
  }
  Error disorder(const std::string& what) const {
    return link_.error(ErrorCode::kCorrupt,
                       fmt::format("rows of {} at {} {}", printable(table_.name),
                                   table_.commit.substr(0, 12), what));
  }

  const DoltLink& link_;
  const DoltTable& table_;
  const Wanted& cells_;
  uint64_t seen_ = 0;    // rows of this answer
  uint64_t passed_ = 0;  // rows taken, over all answers
  std::vector<Value> last_;
};

}  // namespace

void read_dolt_rows(DoltLink& link, const DoltTable& table, const TableRead& request,
                    const RowSink& sink) {
  Wanted cells = wanted(table, request.columns);
  std::vector<std::pair<size_t, std::string>> equal;
  for (const auto& [name, payload] : request.where) {
    equal.emplace_back(cells.add(table.column(name)), payload);
  }
  const std::string statement = select_rows(link, table, cells, request.where);
  Delivery delivery(link, table, cells);
  Guarded guarded;
  Row row;
  guarded.run([&] {
    link.run([&](SqlConnection& sql) {
      delivery.begin();
      sql.query(statement, [&](const SqlRow& texts) {
        if (!delivery.take(texts, row)) return;
        for (const auto& [at, payload] : equal) {
          if (row[at].tag == ValueTag::kNull || row[at].payload != payload) return;
        }
        row.resize(request.columns.size());
        guarded.sink([&] { sink(row); });
      });
      delivery.finish();
    });
  });
}

void read_dolt_diff(DoltLink& link, const DoltTable& before, const DoltTable& after,
                    const std::vector<std::string>& columns, const DiffSink& sink) {
  for (const std::string& name : columns) after.column(name);
  check_comparable(link, before, after, columns);
  std::string select = "SELECT diff_type";
  for (const char* side : {"from_", "to_"}) {
    for (const std::string& name : columns) {
      select += ", " + select_cell(after.column(name), quote_name(side + name));
    }
  }
  select += fmt::format(" FROM dolt_diff('{}', '{}', {})", before.commit, after.commit,
                        quote_text(after.name));
  const size_t count = columns.size();
  Row old_row(count), new_row(count);
  bool delivered = false;
  Guarded guarded;
  const auto side = [&](const DoltTable& table, const SqlRow& texts, size_t first, Row& row) {
    for (size_t i = 0; i < count; ++i) {
      const SqlColumn& column = after.column(columns[i]);
      try {
        row[i] = read_cell(column, texts.at(first + i));
      } catch (const Error& error) {
        SqlKey key;
        for (size_t k = 0; k < count; ++k) {
          const bool in_key = std::count(table.key.begin(), table.key.end(), columns[k]) > 0;
          if (in_key) key.emplace_back(columns[k], texts.at(first + k));
        }
        throw refused(error, table, column, key, link.config());
      }
    }
  };
  const auto take = [&](const SqlRow& texts) {
    const std::string_view type = texts.at(0).value_or("");
    const bool was = type != "added", is = type != "removed";
    if (was) side(before, texts, 1, old_row);
    if (is) side(after, texts, 1 + count, new_row);
    if (was && is && old_row == new_row) return;
    delivered = true;
    guarded.sink([&] { sink(was ? &old_row : nullptr, is ? &new_row : nullptr); });
  };
  guarded.run([&] {
    link.run([&](SqlConnection& sql) {
      if (delivered) {
        throw link.error(ErrorCode::kUnavailable,
                         fmt::format("the difference of {} broke off", printable(after.name)),
                         "it is asked for again");
      }
      sql.query(select, take);
    });
  });
}

}  // namespace lockstep
