#include "pipeline/daemon/versions.h"

#include <fmt/format.h>

#include <set>

#include "pipeline/store/sqlite_store.h"

namespace lockstep {
namespace {

constexpr size_t kMostCommits = 50;

using CutValues = std::map<std::string, std::string>;

// The values that cut a recorded slice. Records without `where` have only the slice's name, which
// says it where one column cuts; more than one can be read in several ways: nothing, not a guess.
std::optional<CutValues> cut_of(const Json& slice) {
  if (slice.contains("where")) return slice.at("where").get<CutValues>();
  const std::string name = slice.at("slice"), table = slice.at("table");
  if (name == table || name.starts_with(table + "@")) return CutValues();
  size_t open = table.size(), close = name.rfind(']');
  if (close == name.npos || close <= open) return std::nullopt;
  std::string cut = name.substr(open + 1, close - open - 1);
  size_t equals = cut.find('=');
  if (equals == cut.npos || cut.find_first_of(",]@") != cut.npos) return std::nullopt;
  return CutValues{{cut.substr(0, equals), cut.substr(equals + 1)}};
}

bool same_slice(const SliceSpec& spec, const Json& slice) {
  bool same = spec.source == slice.at("source") && spec.name() == slice.at("slice");
  return same && (!slice.contains("where") || slice.at("where").get<CutValues>() == spec.where);
}

RowCounts count(SourceSet& sources, const std::string& source, const std::string& table,
                const std::map<std::string, std::string>& where,
                const std::vector<std::string>& columns, const std::string& from,
                const std::string& to) {
  Database nowhere(":memory:");
  SqliteSliceCache cache(nowhere);
  SliceReader reader(sources.watched().tables, cache);
  SliceSpec spec{source, table, "", columns, {}, where};
  std::vector<std::string> values;
  for (const auto& [column, value] : where) values.push_back(value);
  return reader.changes(SliceGroup::of(spec), from, to)[cut_key(values)];
}

std::vector<std::string> columns_of(const Version& version, const std::string& input) {
  Json recipe = parse_json(version.recipe, "a recorded recipe");
  Json inputs = recipe.value("inputs", Json::object());
  return inputs.value(input, Json::object()).value("columns", std::vector<std::string>());
}

}  // namespace

Json recorded_slice(const Version& version, const Json& slice) {
  for (const Json& one : version.slices.json()) {
    if (one.at("input") == slice.at("input")) return one;
  }
  return nullptr;
}

std::set<SourceCommit> training_commits(const Registry& registry,
                                        const std::set<std::string>& tags) {
  std::set<SourceCommit> found;
  for (const std::string& tag : tags) {
    const ReleaseState* state = registry.release(tag);
    for (const auto& [name, entry] : state ? state->release.models : ReleaseModels()) {
      const ModelState* model = registry.holder(name, entry);
      const Version* version = model ? model->version(entry.version) : nullptr;
      for (const Json& slice : version ? version->slices.json() : Json::array()) {
        found.emplace(slice.at("source"), slice.at("commit"));
      }
    }
  }
  return found;
}

RowCounts slice_changes(SourceSet& sources, const Json& slice, const Json& before,
                        const Version& version) {
  RowCounts rows;
  if (before.is_null()) {
    rows.added = slice.at("rows");
    return rows;
  }
  if (before.at("digest") == slice.at("digest")) return rows;
  try {
    std::optional<CutValues> cut = cut_of(slice);
    if (!cut) return rows;
    return count(sources, slice.at("source"), slice.at("table"), *cut,
                 columns_of(version, slice.at("input")), before.at("commit"), slice.at("commit"));
  } catch (const Error& error) {
    bool gone = error.code == ErrorCode::kNotFound || error.code == ErrorCode::kConflict;
    if (!gone) throw;
    return rows;
  }
}

std::vector<CodeChange> code_changes(SourceSet& sources, const Version& version,
                                     const std::optional<Version>& before) {
  std::vector<CodeChange> all;
  if (before && before->code_tree == version.code_tree) return all;
  for (auto& [name, repo] : sources.code) {
    auto to = version.commits.find(name);
    if (to == version.commits.end()) continue;
    CodeChange change;
    change.source = name;
    change.to = to->second;
    if (before && before->commits.count(name)) change.from = before->commits.at(name);
    if (change.from == change.to) continue;
    try {
      std::set<std::string> old_files;
      if (!change.from.empty()) {
        for (const CodePath& path : repo->list(change.from, {"**"})) {
          old_files.insert(path.path + path.mode + path.blob);
        }
      }
      for (const CodePath& path : repo->list(change.to, {"**"})) {
        if (old_files.count(path.path + path.mode + path.blob)) continue;
        ++change.files;
        if (!change.from.empty()) change.paths.push_back(path.path);
      }
      if (!change.from.empty()) change.by = repo->log(change.from, change.to, kMostCommits);
    } catch (const Error& error) {
      if (error.code == ErrorCode::kUnavailable) throw;  // else: the old commit is gone
    }
    all.push_back(std::move(change));
  }
  return all;
}

void add_distance(SourceSet& sources, const Json& slice, const Survey& seen,
                  const std::vector<SliceId>& now, Distance& distance) {
  for (SliceId id : now) {
    const SliceSpec& spec = seen.graph->slices[id.value];
    const SliceReading& reading = seen.slices[id.value];
    if (!same_slice(spec, slice) || slice.at("digest") == reading.digest.hex()) continue;
    auto store = sources.tables.find(spec.source);
    if (store == sources.tables.end()) continue;
    std::string from = slice.at("commit");
    try {
      distance.rows +=
          count(sources, spec.source, spec.table, spec.where, spec.columns, from, reading.commit)
              .all();
      for (const CommitInfo& commit : store->second->log(from, reading.commit, kMostCommits)) {
        ++distance.commits;
        if (distance.since_ms == 0 || commit.time_ms < distance.since_ms) {
          distance.since_ms = commit.time_ms;
        }
      }
    } catch (const Error& error) {
      if (error.code == ErrorCode::kUnavailable) throw;  // else: history was rewritten
    }
  }
}

}  // namespace lockstep
