#include "connectors/git_tables/writer.h"

#include <fmt/format.h>

#include <chrono>
#include <set>
#include <thread>

#include "connectors/git/commits.h"
#include "connectors/git/names.h"
#include "connectors/git_tables/table_edit.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

constexpr int kAttempts = 8;
constexpr auto kFirstPause = std::chrono::milliseconds(10);  // doubled each time: 2.5 s in all

bool one_line(const std::string& text) {
  return text.find_first_of("\n\r") == text.npos && text.find('\0') == text.npos;
}

// Subject, body and trailers as git-interpret-trailers(1) has them.
std::string message_of(const WriteOrder& order) {
  bool good =
      !order.subject.empty() && one_line(order.subject) && order.body.find('\0') == order.body.npos;
  std::string out = order.subject + "\n";
  if (!order.body.empty()) out += "\n" + order.body + "\n";
  if (!order.trailers.empty()) out += "\n";
  for (const auto& [name, value] : order.trailers) {
    good = good && one_line(value) && !name.empty() &&
           name.find_first_not_of(
               "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") == name.npos;
    out += name + ": " + value + "\n";
  }
  if (!good || !valid_utf8(out)) {
    throw Error(ErrorCode::kInvalid, "a commit's subject, body or trailers can't be written",
                "a subject of one line, trailers as Name: value, all in UTF-8");
  }
  return out;
}

}  // namespace

GitTableWriter::GitTableWriter(GitTablesConfig config)
    : config_(std::move(config)), store_(config_) {}

std::string GitTableWriter::write(const WriteOrder& order,
                                  const std::vector<TableChange>& changes) {
  std::set<std::string> names;
  for (const TableChange& change : changes) {
    if (names.insert(change.table).second) continue;
    throw Error(ErrorCode::kInvalid, "one commit changes table " + change.table + " twice");
  }
  auto pause = kFirstPause;
  for (int left = kAttempts; left > 0; --left, pause *= 2) {
    if (auto made = in_git_source(config_.origin.name, [&] { return attempt(order, changes); })) {
      return *made;
    }
    std::this_thread::sleep_for(pause);
  }
  throw Error(ErrorCode::kConflict,
              fmt::format("source {}: branch \"{}\" kept moving while it was written to",
                          config_.origin.name, printable(order.branch)),
              "try again");
}

// nullopt: somebody else was first.
std::optional<std::string> GitTableWriter::attempt(const WriteOrder& order,
                                                   const std::vector<TableChange>& changes) {
  const std::string head = head_of(order.branch);
  if (head.empty()) return std::nullopt;
  GitOrigin& origin = store_.origin();
  const GitCommits commits(origin.repository());
  if (origin.local()) commits.check_not_checked_out(order.branch);
  check_unmoved(order, head, changes);
  GitNewCommit made{head, {}, order.author, order.email, message_of(order)};
  const TableLayout layout(origin.repository(), config_.origin.name, config_.folder);
  for (const TableChange& change : changes) {
    const TableAt table = layout.open(head, change.table);
    TableEdit edit(origin.repository(), layout, table, change, config_.csv, config_.max_file_bytes);
    made.files.merge(edit.files());
  }
  const std::string id = commits.write(made);
  if (id == head) return order.base;
  if (!origin.move(order.branch, head, id, "lockstep: " + order.subject)) return std::nullopt;
  return id;
}

// Empty: the mirror is being fetched by somebody else.
std::string GitTableWriter::head_of(const std::string& branch) {
  try {
    if (!store_.origin().local()) store_.origin().head();
  } catch (const Error& error) {
    if (error.code != ErrorCode::kConflict) throw;
    return "";
  }
  return store_.origin().repository().branch(branch);
}

void GitTableWriter::check_unmoved(const WriteOrder& order, const std::string& head,
                                   const std::vector<TableChange>& changes) {
  if (head == order.base) return;
  const auto moved = [&](const std::string& what) {
    return Error(ErrorCode::kConflict, what + " since commit " + order.base.substr(0, 12),
                 "compute the change again from the branch's head and write it then");
  };
  if (!store_.origin().repository().has_commit(order.base)) {
    throw moved(fmt::format("the history of branch \"{}\" was rewritten", printable(order.branch)));
  }
  const TableLayout layout(store_.origin().repository(), config_.origin.name, config_.folder);
  for (const TableChange& change : changes) {
    const TableAt table = layout.open(head, change.table);
    NamedRows rows(table.schema, change);
    const size_t key_size = table.schema.schema.key.size();
    std::vector<std::string> columns = table.schema.schema.key;
    for (const Column& column : table.schema.schema.columns) columns.push_back(column.name);
    store_.diff(change.table, order.base, head, columns, [&](const Row* before, const Row* after) {
      const Row& row = after ? *after : *before;
      const Row key(row.begin(), row.begin() + static_cast<long>(key_size));
      if (!rows.find(key)) return;
      throw moved(fmt::format("the row {} of table {} changed", rows.text(key), change.table));
    });
  }
}

}  // namespace lockstep
