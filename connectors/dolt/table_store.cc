#include "connectors/dolt/table_store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "connectors/dolt/reading.h"
#include "connectors/dolt/remote.h"
#include "connectors/dolt/watch.h"
#include "connectors/sql/quote.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr size_t kFewestDigits = 4;  // of an abbreviated hash
constexpr int kHurry_s = 5;
constexpr const char* kKeep = "lockstep-keep-";

std::string text(const std::optional<std::string>& cell) {
  return cell.value_or("");
}

bool may_abbreviate(const std::string& name) {
  return name.size() >= kFewestDigits && name.size() < 32 &&
         is_dolt_hash(name + std::string(32 - name.size(), '0'));
}

DoltConfig in_a_hurry(DoltConfig config) {
  SqlServer& server = config.server;
  server.connect_timeout_s = std::min(server.connect_timeout_s, kHurry_s);
  server.read_timeout_s = std::min(server.read_timeout_s, kHurry_s);
  return config;
}

}  // namespace

DoltTableStore::DoltTableStore(DoltConfig config)
    : link_(config), short_(in_a_hurry(std::move(config))), tables_(link_) {}

std::string DoltTableStore::look() {
  if (link_.config().remote) link_.config().remote->look();
  return head();
}

std::string DoltTableStore::head() {
  const std::string& branch = link_.config().branch;
  std::optional<Error> away;
  if (link_.config().remote) away = link_.config().remote->away();
  try {
    const auto hash = short_.value("SELECT dolt_hashof(" + quote_text(branch) + ")");
    if (hash && is_dolt_hash(*hash)) return *hash;
    throw link_.error(ErrorCode::kCorrupt, "the server named no commit for " + printable(branch));
  } catch (const Error& error) {
    if (error.code != ErrorCode::kNotFound) throw;
    if (error.message.find("ref spec") == std::string::npos) {
      // A database whose own branch is gone lets nobody in who connects anew.
      throw Error(error.code, error.message,
                  "is the database there, and the branch that it opens with?");
    }
  }
  if (away) throw *away;
  std::vector<std::string> there;
  for (const SqlCells& row : link_.rows("SELECT name FROM dolt_branches LIMIT 20")) {
    there.push_back(printable(text(row.at(0))));
  }
  throw link_.error(
      ErrorCode::kNotFound,
      fmt::format("database {} has no branch {}", printable(link_.database()), printable(branch)),
      fmt::format("it has {}", fmt::join(there, ", ")));
}

std::map<std::string, std::string> DoltTableStore::branches() {
  const bool clone = link_.config().remote != nullptr;
  const std::string before = clone ? "remotes/origin/" : "";
  std::map<std::string, std::string> out;
  for (const SqlCells& row : link_.rows(std::string("SELECT name, hash FROM ") +
                                        (clone ? "dolt_remote_branches" : "dolt_branches"))) {
    const std::string name = text(row.at(0));
    if (!is_dolt_hash(text(row.at(1))) || name.compare(0, before.size(), before) != 0) continue;
    out[name.substr(before.size())] = text(row.at(1));
  }
  return out;
}

std::string DoltTableStore::resolve(const std::string& name) {
  if (name == "HEAD") return head();
  std::string asked = name;
  if (name.compare(0, 5, "HEAD~") == 0) asked = link_.config().branch + name.substr(4);
  // In a clone branches have the remote's name before theirs.
  for (const char* before : {"origin/", ""}) {
    if (*before && (!link_.config().remote || asked != name)) continue;
    try {
      return text(link_.value("SELECT dolt_hashof(" + quote_text(before + asked) + ")"));
    } catch (const Error& error) {
      if (error.code != ErrorCode::kNotFound) throw;
    }
  }
  std::vector<SqlCells> found;
  if (may_abbreviate(name)) {
    // The table knows what is under branches of the server's own; a clone has none.
    const std::string all = link_.config().remote
                                ? "dolt_log(" + quote_text(link_.config().branch) + ")"
                                : "dolt_commits";
    found = link_.rows(
        fmt::format("SELECT commit_hash FROM {} WHERE commit_hash LIKE '{}%' LIMIT 2", all, name));
  }
  if (found.size() == 1) return text(found[0].at(0));
  if (found.empty()) {
    throw link_.error(ErrorCode::kNotFound,
                      fmt::format("there is no branch, tag or commit {}", printable(name, 80)));
  }
  throw link_.error(ErrorCode::kConflict, fmt::format("{} begins more than one commit", name),
                    "write more of it");
}

std::vector<CommitInfo> DoltTableStore::commits(const std::string& arguments, size_t limit) {
  std::vector<CommitInfo> out;
  for (const SqlCells& row :
       link_.rows(fmt::format("SELECT commit_hash, committer, email, message, DATE_FORMAT(date, "
                              "'%Y-%m-%dT%H:%i:%S.%fZ') FROM dolt_log({}) LIMIT {}",
                              arguments, limit))) {
    CommitInfo info{text(row.at(0)), text(row.at(1)), text(row.at(2)), text(row.at(3)), 0};
    info.time_ms = parse_time(text(row.at(4)));
    out.push_back(std::move(info));
  }
  return out;
}

CommitInfo DoltTableStore::commit(const std::string& id) {
  if (!is_dolt_hash(id)) throw link_.no_commit(id);
  try {
    std::vector<CommitInfo> found = commits("'" + id + "'", 1);
    if (!found.empty()) return found[0];
  } catch (const Error& error) {
    if (error.code != ErrorCode::kNotFound) throw;
  }
  throw link_.no_commit(id);
}

std::vector<CommitInfo> DoltTableStore::log(const std::string& from, const std::string& to,
                                            size_t limit) {
  if (!is_dolt_hash(to)) throw link_.no_commit(to);
  if (is_dolt_hash(from)) {
    try {
      return commits(fmt::format("'{}', '--not', '{}'", to, from), limit);
    } catch (const Error& error) {
      if (error.code != ErrorCode::kNotFound) throw;
    }
  }
  return commits("'" + to + "'", limit);  // `from` was collected
}

bool DoltTableStore::descends(const std::string& to, const std::string& from) {
  if (!is_dolt_hash(to)) throw link_.no_commit(to);
  if (!is_dolt_hash(from)) return false;
  try {
    return link_.value(fmt::format("SELECT dolt_merge_base('{}', '{}')", to, from)) == from;
  } catch (const Error& error) {
    if (error.code == ErrorCode::kUnavailable) throw;
    commit(to);  // throws where it is this one that is missing
    return false;
  }
}

// Runs dolt_tag; an answer with `harmless` in it means that it was done before.
void DoltTableStore::tag(const std::string& arguments, const std::string& harmless,
                         const std::string& commit) {
  try {
    link_.rows("CALL dolt_tag(" + arguments + ")");
  } catch (const Error& error) {
    if (error.message.find(harmless) != std::string::npos) return;
    if (error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kNotFound) throw;
    throw Error(ErrorCode::kDenied,
                fmt::format("the tag of commit {} can't be written: {}", commit.substr(0, 12),
                            error.message),
                "let the user write, or see to it yourself that the commit is not collected");
  }
}

void DoltTableStore::keep(const std::string& owner, const std::string& id) {
  if (!is_dolt_hash(id)) throw link_.no_commit(id);
  tag(quote_text(kKeep + owner + "-" + id) + ", '" + id + "'", "already exists", id);
}

void DoltTableStore::release(const std::string& owner, const std::string& id) {
  if (!is_dolt_hash(id)) throw link_.no_commit(id);
  tag("'-d', " + quote_text(kKeep + owner + "-" + id), "not found", id);
}

std::vector<std::string> DoltTableStore::kept(const std::string& owner) {
  const std::string begin = kKeep + owner + "-";
  std::vector<std::string> out;
  for (const SqlCells& row : link_.rows("SELECT tag_name FROM dolt_tags")) {
    const std::string name = text(row.at(0));
    if (name.compare(0, begin.size(), begin) != 0) continue;
    const std::string hash = name.substr(begin.size());
    if (is_dolt_hash(hash)) out.push_back(hash);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::unique_ptr<SourceWatch> DoltTableStore::watch() {
  const DoltConfig& config = link_.config();
  if (config.remote) return DoltRemote::watch(config.remote);
  if (config.data_folder.empty()) return std::make_unique<DoltPoll>(config);
  return std::make_unique<DoltWatch>(config.data_folder / link_.database());
}

std::vector<TableInfo> DoltTableStore::tables(const std::string& commit) {
  std::vector<TableInfo> out;
  for (const auto& [name, hash] : tables_.hashes(commit)) out.push_back({name, hash});
  return out;
}

TableSchema DoltTableStore::schema(const std::string& commit, const std::string& table) {
  const DoltTable& found = tables_.open(commit, table);
  TableSchema out;
  for (const SqlColumn& column : found.columns) out.columns.push_back({column.name, column.tag});
  out.key = found.key;
  return out;
}

void DoltTableStore::read(const TableRead& request, const RowSink& sink) {
  const DoltTable table = tables_.open(request.commit, request.table);
  read_dolt_rows(link_, table, request, sink);
}

void DoltTableStore::diff(const std::string& table, const std::string& from, const std::string& to,
                          const std::vector<std::string>& columns, const DiffSink& sink) {
  const DoltTable before = tables_.open(from, table);
  const DoltTable after = tables_.open(to, table);
  read_dolt_diff(link_, before, after, columns, sink);
}

}  // namespace lockstep
