#include "connectors/dolt/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <set>
#include <thread>

#include "connectors/dolt/reading.h"
#include "connectors/dolt/row_writer.h"
#include "connectors/sql/quote.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr int kTries = 6;
constexpr int kPause_ms = 20;  // doubled for each further try
constexpr int kLockWait_s = 30;
constexpr size_t kMostCommits = 1000;  // looked through for our own after a lost answer
constexpr const char* kIdTrailer = "Lockstep-Write";

std::string fresh_id() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

// No line of a message may pass for a trailer that it is not.
std::string message_of(const WriteOrder& order, const std::string& id) {
  std::string out = order.subject + "\n\n";
  if (!order.body.empty()) out += order.body + "\n\n";
  for (const auto& [name, value] : order.trailers) out += name + ": " + value + "\n";
  return out + kIdTrailer + ": " + id;
}

void check_order(const WriteOrder& order) {
  std::string lines = order.author + order.email + order.subject;
  for (const auto& [name, value] : order.trailers) lines += name + value;
  const bool odd = lines.find_first_of(std::string("\n\r\0", 3)) != std::string::npos ||
                   (order.author + order.email).find_first_of("<>") != std::string::npos;
  if (odd || order.author.empty() || order.subject.empty()) {
    throw Error(ErrorCode::kInvalid, "a commit needs an author and a subject, each of one line");
  }
}

}  // namespace

DoltWriter::DoltWriter(DoltConfig config)
    : link_(config), tables_(link_), sql_(std::move(config.server)) {}

std::string DoltWriter::write(const WriteOrder& order, const std::vector<TableChange>& changes) {
  check_order(order);
  if (!is_dolt_hash(order.base)) throw link_.no_commit(order.base);
  const std::string id = fresh_id();
  for (int attempt = 1;; ++attempt) {
    try {
      std::string written = try_once(order, changes, id, attempt > 1);
      sql_.close();  // and with it the lock
      return written;
    } catch (const SqlError& error) {
      sql_.close();  // rolls back
      const bool again = error.clash() || error.fatal();
      if (!again || attempt == kTries) {
        throw link_.error(error.code, error.message, error.hint);
      }
    } catch (...) {
      sql_.close();
      throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kPause_ms << attempt));
  }
}

// The commit that an earlier try made though its answer was lost; empty: there is none.
std::string DoltWriter::found_again(const WriteOrder& order, const std::string& head,
                                    const std::string& id) {
  const std::string trailer = fmt::format("{}: {}", kIdTrailer, id);
  for (const SqlCells& row :
       link_.rows(fmt::format("SELECT commit_hash, message FROM dolt_log('{}', '--not', '{}') "
                              "LIMIT {}",
                              head, order.base, kMostCommits))) {
    if (row.at(1).value_or("").find(trailer) != std::string::npos) return row.at(0).value_or("");
  }
  return "";
}

std::string DoltWriter::try_once(const WriteOrder& order, const std::vector<TableChange>& changes,
                                 const std::string& id, bool again) {
  sql_.close();
  const std::string lock = "lockstep-" + sha256(link_.database() + "/" + order.branch).hex();
  sql_.execute("USE " + quote_name(link_.database() + "/" + order.branch));
  if (sql_.value(fmt::format("SELECT GET_LOCK('{}', {})", lock.substr(0, 60), kLockWait_s)) !=
      "1") {
    throw link_.error(ErrorCode::kConflict,
                      fmt::format("another writer holds branch {}", printable(order.branch)),
                      "try again");
  }
  sql_.execute("START TRANSACTION");
  const std::string head =
      sql_.value("SELECT dolt_hashof(" + quote_text(order.branch) + ")").value_or("");
  if (again) {
    std::string made = found_again(order, head, id);
    if (!made.empty()) return made;
  }
  check_clean(changes);
  for (const TableChange& change : changes) {
    const DoltTable table = tables_.open(head, change.table);
    DoltRowWriter rows(sql_, table, change);
    if (head != order.base) check_rows(order, head, change);
    rows.write();
  }
  return commit(order, changes, id);
}

void DoltWriter::check_clean(const std::vector<TableChange>& changes) {
  for (const SqlCells& row : sql_.rows("SELECT table_name, staged FROM dolt_status")) {
    const std::string name = row.at(0).value_or("");
    const bool ours = std::any_of(changes.begin(), changes.end(),
                                  [&](const TableChange& change) { return change.table == name; });
    if (!ours && row.at(1).value_or("0") == "0") continue;
    throw link_.error(ErrorCode::kConflict,
                      fmt::format("table {} has changes that nobody committed", printable(name)),
                      "commit them (dolt_commit) or throw them away (dolt_checkout)");
  }
}

// Rows of this change that differ between the commit it was computed from and the branch now.
void DoltWriter::check_rows(const WriteOrder& order, const std::string& head,
                            const TableChange& change) {
  const DoltTable before = tables_.open(order.base, change.table);
  const DoltTable after = tables_.open(head, change.table);
  DoltRowWriter rows(sql_, after, change);
  std::set<std::string> ours;
  for (const Row& row : change.put) ours.insert(DoltRowWriter::key_text(rows.key_of(row)));
  for (const Row& key : change.remove) ours.insert(DoltRowWriter::key_text(key));
  std::vector<std::string> columns = after.key;
  for (const SqlColumn& column : after.columns) {
    if (std::find(columns.begin(), columns.end(), column.name) == columns.end()) {
      columns.push_back(column.name);
    }
  }
  read_dolt_diff(link_, before, after, columns, [&](const Row* was, const Row* is) {
    const Row& row = is ? *is : *was;
    const std::vector<Value> key(row.begin(),
                                 row.begin() + static_cast<std::ptrdiff_t>(after.key.size()));
    if (!ours.count(DoltRowWriter::key_text(key))) return;
    throw link_.error(ErrorCode::kConflict,
                      fmt::format("a row of {} (key {}) changed since {}", printable(change.table),
                                  printable(display(key[0]), 60), order.base.substr(0, 12)),
                      "compute the change again from the branch as it is");
  });
}

std::string DoltWriter::commit(const WriteOrder& order, const std::vector<TableChange>& changes,
                               const std::string& id) {
  for (const TableChange& change : changes) {
    sql_.execute("CALL dolt_add(" + quote_text(change.table) + ")");
  }
  const auto hash = sql_.value(fmt::format(
      "CALL dolt_commit('-m', {}, '--author', {}, '--skip-empty')",
      quote_text(message_of(order, id)), quote_text(order.author + " <" + order.email + ">")));
  return hash && is_dolt_hash(*hash) ? *hash : order.base;
}

}  // namespace lockstep
