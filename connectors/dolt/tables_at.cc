#include "connectors/dolt/tables_at.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "connectors/sql/quote.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr size_t kMostKnown = 8;     // commits
constexpr size_t kMostOpened = 512;  // tables at commits
constexpr size_t kHashesAtOnce = 100;

std::string text(const std::optional<std::string>& cell) {
  return cell.value_or("");
}

// Dolt's own: views, procedures, ignored tables. They come and go without anyone's rows.
bool own(const std::string& table) {
  return table.compare(0, 5, "dolt_") == 0;
}

// "varchar(20) COLLATE utf8mb4_0900_ai_ci": a column's own collation stands in its type; what
// Dolt says in the column `Collation` is the table's.
std::string collation_of(const std::string& type, const std::string& of_table) {
  constexpr std::string_view kWord = " COLLATE ";
  const size_t at = type.rfind(kWord);
  if (at == type.npos) return of_table;
  const size_t begin = at + kWord.size();
  return type.substr(begin, type.find(' ', begin) - begin);
}

}  // namespace

const SqlColumn* DoltTable::find(const std::string& wanted) const {
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const SqlColumn& column) { return column.name == wanted; });
  return found == columns.end() ? nullptr : &*found;
}

const SqlColumn& DoltTable::column(const std::string& wanted) const {
  if (const SqlColumn* found = find(wanted)) return *found;
  std::vector<std::string> names;
  for (const SqlColumn& one : columns) names.push_back(printable(one.name));
  throw Error(ErrorCode::kNotFound,
              fmt::format("table {} has no column \"{}\" at commit {}", printable(name),
                          printable(wanted), commit.substr(0, 12)),
              fmt::format("it has {}", fmt::join(names, ", ")));
}

DoltTablesAt::DoltTablesAt(DoltLink& link) : link_(link) {}

std::vector<std::string> DoltTablesAt::names(const std::string& commit) {
  std::vector<std::string> out;
  for (const SqlCells& row : link_.rows("SHOW FULL TABLES FROM " + link_.at(commit))) {
    if (row.size() >= 2 && text(row[1]) == "BASE TABLE" && !own(text(row[0]))) {
      out.push_back(text(row[0]));
    }
  }
  return out;
}

// dolt_diff_summary leaves out a table whose key changed, and only warns; the difference of the
// schemas has it.
std::vector<std::pair<std::string, std::string>> DoltTablesAt::changed(const std::string& from,
                                                                       const std::string& to) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const char* function : {"dolt_diff_summary", "dolt_schema_diff"}) {
    for (const SqlCells& row : link_.rows(fmt::format(
             "SELECT from_table_name, to_table_name FROM {}('{}', '{}')", function, from, to))) {
      out.emplace_back(text(row[0]), text(row[1]));
    }
  }
  return out;
}

// A table's hash can be asked for in the current database only.
void DoltTablesAt::take(const std::string& commit, const std::vector<std::string>& tables,
                        Hashes& hashes) {
  if (tables.empty()) return;
  const std::string back = "USE " + quote_name(link_.database());
  link_.run([&](SqlConnection& sql) {
    sql.execute("USE " + link_.at(commit));
    try {
      for (size_t i = 0; i < tables.size(); i += kHashesAtOnce) {
        const size_t end = std::min(i + kHashesAtOnce, tables.size());
        std::string select = "SELECT ";
        for (size_t k = i; k < end; ++k) {
          select += (k > i ? ", " : "") + ("dolt_hashof_table(" + quote_text(tables[k]) + ")");
        }
        const std::vector<SqlCells> answer = sql.rows(select);
        for (size_t k = i; k < end; ++k) hashes[tables[k]] = text(answer.at(0).at(k - i));
      }
      sql.execute(back);
    } catch (...) {
      sql.close();  // never left in another database
      throw;
    }
  });
}

const DoltTablesAt::Hashes& DoltTablesAt::hashes(const std::string& commit) {
  if (!is_dolt_hash(commit)) throw link_.no_commit(commit);
  for (const Known& known : known_) {
    if (known.commit == commit) return known.hashes;
  }
  Known fresh{commit, {}};
  bool forward = !known_.empty();
  if (forward) {
    try {
      fresh.hashes = known_.front().hashes;
      std::vector<std::string> again;
      for (const auto& [before, after] : changed(known_.front().commit, commit)) {
        if (!before.empty()) fresh.hashes.erase(before);
        if (!after.empty() && !own(after)) again.push_back(after);
      }
      take(commit, again, fresh.hashes);
    } catch (const Error& error) {
      if (error.code == ErrorCode::kUnavailable) throw;
      forward = false;  // the known commit was collected
      fresh.hashes.clear();
    }
  }
  if (!forward) take(commit, names(commit), fresh.hashes);
  if (known_.size() >= kMostKnown) known_.pop_back();
  known_.push_front(std::move(fresh));
  return known_.front().hashes;
}

const DoltTable& DoltTablesAt::open(const std::string& commit, const std::string& table) {
  const auto known = opened_.find({commit, table});
  if (known != opened_.end()) return known->second;
  DoltTable fresh = describe(commit, table);
  if (opened_.size() >= kMostOpened) opened_.clear();
  return opened_[{commit, table}] = std::move(fresh);
}

Error DoltTablesAt::missing(const std::string& commit, const std::string& table) {
  try {
    const std::vector<std::string> there = names(commit);
    constexpr size_t kMostNamed = 20;
    return link_.error(
        ErrorCode::kNotFound,
        fmt::format("there is no table {} at commit {}", printable(table), commit.substr(0, 12)),
        there.empty() ? "the commit has no tables"
                      : fmt::format("there {}: {}{}", there.size() == 1 ? "is" : "are",
                                    fmt::join(there.begin(),
                                              there.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                  there.size(), kMostNamed)),
                                              ", "),
                                    there.size() > kMostNamed ? ", …" : ""));
  } catch (const Error& error) {
    return error.code == ErrorCode::kNotFound ? link_.no_commit(commit) : error;
  }
}

DoltTable DoltTablesAt::describe(const std::string& commit, const std::string& table) {
  const std::string place = link_.at(commit) + "." + quote_name(table);
  DoltTable out{table, commit, {}, {}};
  try {
    for (const SqlCells& row :
         link_.rows("SHOW FULL COLUMNS FROM " + quote_name(table) + " FROM " + link_.at(commit))) {
      const std::string type = text(row.at(1));
      out.columns.push_back(sql_column(text(row.at(0)), type, collation_of(type, text(row.at(2)))));
    }
    for (const SqlCells& row : link_.rows("SHOW KEYS FROM " + place)) {
      if (text(row.at(2)) == "PRIMARY") out.key.push_back(text(row.at(4)));
    }
  } catch (const Error& error) {
    if (error.code != ErrorCode::kNotFound) throw;
    throw missing(commit, table);
  }
  return out;
}

}  // namespace lockstep
