#include "connectors/mysql/commits.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr int kFormat = 1;
constexpr size_t kMostKnown = 256;
constexpr uint64_t kMostLook_bytes = 64ull << 20;
constexpr size_t kShortest = 4;  // digits of an abbreviated id

bool hex_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

ValueTag tag_of(const std::string& text) {
  for (int tag = 1; tag <= static_cast<int>(ValueTag::kJson); ++tag) {
    if (word(static_cast<ValueTag>(tag)) == text) return static_cast<ValueTag>(tag);
  }
  throw Error(ErrorCode::kInvalid, "no type " + printable(text, 40));
}

Json table_json(const MysqlTableRecord& table) {
  if (!table.error.empty()) return {{"error", table.error}, {"mark", table.mark}};
  Json columns = Json::array();
  for (const Column& column : table.schema.columns) {
    columns.push_back({column.name, word(column.type)});
  }
  return {{"columns", columns},
          {"key", table.schema.key},
          {"snapshot", table.snapshot.hex()},
          {"content", table.content.hex()},
          {"sums", table.sums.hex()},
          {"rows", table.rows},
          {"mark", table.mark}};
}

MysqlTableRecord read_table(const Json& json) {
  MysqlTableRecord out;
  out.mark = json.at("mark");
  if (json.contains("error")) return json.at("error").get_to(out.error), out;
  for (const Json& column : json.at("columns")) {
    out.schema.columns.push_back({column.at(0), tag_of(column.at(1))});
  }
  json.at("key").get_to(out.schema.key);
  out.snapshot = Digest::parse(json.at("snapshot").get<std::string>());
  out.content = Digest::parse(json.at("content").get<std::string>());
  out.sums = Digest::parse(json.at("sums").get<std::string>());
  json.at("rows").get_to(out.rows);
  return out;
}

std::string commit_text(const MysqlCommit& commit) {
  Json tables = Json::object();
  for (const auto& [name, table] : commit.tables) tables[name] = table_json(table);
  return canonical_json({{"format", kFormat},
                         {"parent", commit.parent},
                         {"author", commit.author},
                         {"message", commit.message},
                         {"time", commit.time_ms},
                         {"tables", tables}});
}

MysqlCommit read_commit(const std::string& id, const std::string& bytes) {
  const Json json = parse_json(bytes, "the commit");
  if (json.at("format") != kFormat) throw Error(ErrorCode::kInvalid, "another format");
  MysqlCommit out{id, json.at("parent"), json.at("author"), json.at("message"), json.at("time"),
                  {}};
  for (const auto& [name, table] : json.at("tables").items()) out.tables[name] = read_table(table);
  return out;
}

}  // namespace

std::string_view word(MysqlMode mode) {
  if (mode == MysqlMode::kScan) return "scan";
  return mode == MysqlMode::kColumn ? "column" : "versioned";
}

bool MysqlTableRecord::same_content(const MysqlTableRecord& other) const {
  return schema == other.schema && content == other.content && error == other.error;
}

MysqlCommits::MysqlCommits(const MysqlConfig& config) : config_(config) {}

std::string MysqlCommits::head() const {
  const std::filesystem::path file = config_.state / "head";
  if (!std::filesystem::exists(file)) return "";
  std::string id = config_.files->read(file, 128);
  if (!id.empty() && id.back() == '\n') id.pop_back();
  if (id.size() == 64 && hex_digits(id)) return id;
  throw Error(ErrorCode::kCorrupt, fmt::format("source {}: its head is no commit", config_.name),
              "remove the file; the next look makes a first commit", file.string());
}

Error MysqlCommits::no_commit(const std::string& id) const {
  return Error(ErrorCode::kNotFound,
               fmt::format("source {}: there is no commit {}", config_.name, printable(id, 40)));
}

const MysqlCommit& MysqlCommits::get(const std::string& id) {
  const auto known = known_.find(id);
  if (known != known_.end()) return known->second;
  if (id.size() != 64 || !hex_digits(id)) throw no_commit(id);
  const Digest digest = Digest::parse(id);
  if (!config_.artifacts->has(digest)) throw no_commit(id);
  const std::string bytes = config_.artifacts->get(digest);
  try {
    MysqlCommit commit = read_commit(id, bytes);
    if (known_.size() >= kMostKnown) known_.clear();
    return known_[id] = std::move(commit);
  } catch (const Json::exception&) {
    throw no_commit(id);  // an artifact of another kind
  } catch (const Error&) {
    throw no_commit(id);
  }
}

std::string MysqlCommits::add(MysqlCommit commit) {
  commit.parent = head();
  const std::string id = config_.artifacts->put(commit_text(commit)).hex();
  config_.files->write_atomic(config_.state / "head", id + "\n");
  return id;
}

void MysqlCommits::walk(const std::string& id,
                        const std::function<bool(const MysqlCommit&)>& stop) {
  std::string at = id;
  while (!at.empty()) {
    const MysqlCommit& commit = get(at);
    const std::string parent = commit.parent;
    if (stop(commit)) return;
    at = parent;
  }
}

std::string MysqlCommits::resolve(const std::string& name) {
  const std::string newest = head();
  if (name == "main" || name == "HEAD") return newest;
  if (name.size() == 64) return get(name).id;
  std::vector<std::string> found;
  if (name.size() >= kShortest && name.size() < 64 && hex_digits(name)) {
    walk(newest, [&](const MysqlCommit& commit) {
      if (commit.id.compare(0, name.size(), name) == 0) found.push_back(commit.id);
      return found.size() > 1;
    });
  }
  if (found.size() == 1) return found[0];
  if (found.empty()) throw no_commit(name);
  throw Error(ErrorCode::kConflict,
              fmt::format("source {}: {} begins more than one commit", config_.name, name),
              "write more of it");
}

MysqlCommits::Look MysqlCommits::last_look() const {
  Look out;
  const std::filesystem::path file = config_.state / "looked";
  if (!std::filesystem::exists(file)) return out;
  try {
    const Json json = parse_json(config_.files->read(file, kMostLook_bytes), "the last look");
    out = {json.at("at"), json.at("head"), json.at("marks")};
  } catch (const Json::exception&) {
    return {};
  } catch (const Error& error) {
    if (error.code == ErrorCode::kUnavailable) throw;
    return {};  // as if nobody had looked yet
  }
  return out;
}

void MysqlCommits::write_look(const Look& look) {
  config_.files->write_atomic(
      config_.state / "looked",
      canonical_json({{"at", look.at_ms}, {"head", look.head}, {"marks", look.marks}}));
}

}  // namespace lockstep
