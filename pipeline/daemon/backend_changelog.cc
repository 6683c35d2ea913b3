// What lies between two releases, as fields and as a person would say it: rows, code, upstreams,
// who committed them, how the metrics moved.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/daemon/backend.h"
#include "pipeline/daemon/versions.h"
#include "registry/rules/queries.h"

namespace lockstep {
namespace {

// One model on both sides; a side it is not on has no version.
struct Pair {
  std::string name;
  std::optional<Version> from, to;
  std::string back;  // by whom and why it was moved to a version that was made before
};

struct Sides {
  std::string channel, from, to, created;
  size_t models = 0;
  std::vector<Pair> pairs;
};

std::string rolled_back(const ModelState& model, const std::string& channel, int64_t number) {
  for (auto it = model.moves.rbegin(); it != model.moves.rend(); ++it) {
    const AliasMove& move = it->move;
    bool here = move.alias == channel || move.alias == kChampion;
    if (!here || move.to != number || move.from <= number) continue;
    if (move.why.starts_with("rollback")) return fmt::format("by {}, {}", move.who, move.why);
  }
  return "";
}

Pair pair_of(const Registry& registry, const std::string& channel, const std::string& name,
             const ReleaseModel* from, const ReleaseModel* to) {
  Pair pair{name, {}, {}, ""};
  const ModelState* model = registry.holder(name, to ? *to : *from);
  const Version* before = model && from ? model->version(from->version) : nullptr;
  const Version* after = model && to ? model->version(to->version) : nullptr;
  if (before) pair.from = *before;
  if (after) pair.to = *after;
  if (before && after && after->number < before->number) {
    pair.back = rolled_back(*model, channel, after->number);
  }
  return pair;
}

// `before` null: everything is new.
Sides sides_of(const Registry& registry, const ReleaseState* before, const ReleaseState& after,
               const std::string& channel) {
  Sides sides{channel,
              before ? before->release.tag : "",
              after.release.tag,
              rfc3339(after.created_ms),
              after.release.models.size(),
              {}};
  const Release nothing;
  const Release& from = before ? before->release : nothing;
  const Release& to = after.release;
  ReleaseDifference difference = release_difference(from, to);
  for (const auto& change : difference.moved) {
    sides.pairs.push_back(pair_of(registry, channel, change.model, &from.models.at(change.model),
                                  &to.models.at(change.model)));
  }
  for (const std::string& name : difference.added) {
    sides.pairs.push_back(pair_of(registry, channel, name, nullptr, &to.models.at(name)));
  }
  for (const std::string& name : difference.removed) {
    sides.pairs.push_back(pair_of(registry, channel, name, &from.models.at(name), nullptr));
  }
  return sides;
}

Json numbers(const RowCounts& rows) {
  return {{"added", rows.added}, {"removed", rows.removed}, {"changed", rows.changed}};
}

Json committers_of(const Version& version, const std::string& source) {
  Json all = Json::array();
  for (const Json& one : version.committers.json()) {
    if (one.at("source") != source) continue;
    std::string who = one.at("author");
    if (std::find(all.begin(), all.end(), Json(who)) == all.end()) all.push_back(who);
  }
  return all;
}

// Slices whose rows differ, with how many; a source that is away leaves the numbers out.
Json changed_slices(SourceSet& sources, const Pair& pair, RowCounts& total) {
  Json all = Json::array();
  for (const Json& slice : pair.to->slices.json()) {
    Json before = recorded_slice(*pair.from, slice);
    if (!before.is_null() && before.value("digest", "") == slice.value("digest", "")) continue;
    Json one = {{"source", slice.at("source")},
                {"table", slice.at("table")},
                {"slice", slice.at("slice")},
                {"from", before.is_null() ? Json() : before.at("commit")},
                {"to", slice.at("commit")},
                {"rows", nullptr},
                {"committers", committers_of(*pair.to, slice.at("source"))}};
    try {
      RowCounts rows = slice_changes(sources, slice, before, *pair.to);
      total.added += rows.added;
      total.removed += rows.removed;
      total.changed += rows.changed;
      one["rows"] = numbers(rows);
    } catch (const Error& error) {
      if (error.code != ErrorCode::kUnavailable) throw;
    }
    all.push_back(std::move(one));
  }
  return all;
}

Json changed_code(SourceSet& sources, const Pair& pair) {
  Json all = Json::array();
  if (pair.from->code_tree == pair.to->code_tree) return all;
  try {
    for (const CodeChange& change : code_changes(sources, *pair.to, pair.from)) {
      Json by = Json::array();
      for (const CommitInfo& commit : change.by) {
        by.push_back(fmt::format("{} {}", commit.id.substr(0, 7), commit.author));
      }
      all.push_back({{"source", change.source},
                     {"from", change.from},
                     {"to", change.to},
                     {"files", change.files},
                     {"committers", by}});
    }
  } catch (const Error& error) {
    if (error.code != ErrorCode::kUnavailable) throw;
  }
  return all;
}

Json changed_upstreams(const Pair& pair) {
  Json all = Json::array();
  for (const Json& used : pair.to->upstreams.json()) {
    Json from;
    for (const Json& old : pair.from->upstreams.json()) {
      if (old.at("input") == used.at("input")) from = old.at("version");
    }
    if (from == used.at("version")) continue;
    all.push_back({{"model", used.at("model")}, {"from", from}, {"to", used.at("version")}});
  }
  return all;
}

Json moved_metrics(const std::optional<Version>& from, const Version& to) {
  const Json before = from ? from->metrics.json() : Json::object(), after = to.metrics.json();
  Json metrics = Json::object();
  for (const auto& [metric, value] : after.items()) {
    metrics[metric] = {before.value(metric, Json()), value};
  }
  return metrics;
}

// All that differs between the two versions of one model.
Json change_of(SourceSet& sources, const Pair& pair) {
  RowCounts rows;
  Json slices = changed_slices(sources, pair, rows);
  return {{"model", pair.name},
          {"from", pair.from->number},
          {"to", pair.to->number},
          {"rows", numbers(rows)},
          {"slices", slices},
          {"code", changed_code(sources, pair)},
          {"upstream", changed_upstreams(pair)},
          {"metrics", moved_metrics(pair.from, *pair.to)}};
}

std::string names_text(const Json& names) {
  std::string text;
  for (const Json& name : names) text += (text.empty() ? "" : ", ") + name.get<std::string>();
  return text.empty() ? "" : " (" + text + ")";
}

std::string rows_text(const Json& rows) {
  std::vector<std::string> parts;
  for (const char* kind : {"changed", "added", "removed"}) {
    uint64_t n = rows.at(kind);
    if (n > 0) parts.push_back(fmt::format("{} {}", n, kind));
  }
  if (parts.empty()) return "";
  return fmt::format("{} {}", fmt::join(parts, ", "),
                     rows.at("changed").get<uint64_t>() + rows.at("added").get<uint64_t>() +
                                 rows.at("removed").get<uint64_t>() ==
                             1
                         ? "row"
                         : "rows");
}

// Why the model changed, a sentence for each cause.
Json reasons_of(const Json& change, const std::string& back) {
  Json why = Json::array();
  auto say = [&](const char* kind, std::string text) {
    why.push_back({{"kind", kind}, {"text", std::move(text)}});
  };
  if (!back.empty()) {
    say("back", "rolled back " + back);
    return why;
  }
  for (const Json& slice : change.at("slices")) {
    std::string counts = slice.at("rows").is_null() ? "" : rows_text(slice.at("rows"));
    say("rows",
        fmt::format("{} of {}{}", counts.empty() ? "other rows" : counts,
                    slice.at("slice").get<std::string>(), names_text(slice.at("committers"))));
  }
  for (const Json& code : change.at("code")) {
    size_t files = code.at("files");
    say("code",
        fmt::format("{} {} of {}{}", files, files == 1 ? "file" : "files",
                    code.at("source").get<std::string>(), names_text(code.at("committers"))));
  }
  for (const Json& upstream : change.at("upstream")) {
    std::string from = upstream.at("from").is_null() ? "none" : upstream.at("from").dump();
    say("upstream", fmt::format("{} {} → {}", upstream.at("model").get<std::string>(), from,
                                upstream.at("to").dump()));
  }
  if (why.empty()) say("other", "its definition or its environment changed");
  return why;
}

Json entry_of(SourceSet& sources, const Pair& pair) {
  Json entry = {{"model", pair.name},
                {"kind", "moved"},
                {"from", nullptr},
                {"to", nullptr},
                {"why", Json::array()},
                {"rows", numbers({})},
                {"committers", Json::array()},
                {"metrics", Json::object()}};
  if (pair.from) entry["from"] = pair.from->number;
  if (pair.to) entry["to"] = pair.to->number;
  if (!pair.from || !pair.to) {
    entry["kind"] = pair.to ? "added" : "removed";
    if (pair.to) entry["metrics"] = moved_metrics({}, *pair.to);
  } else {
    Json change = change_of(sources, pair);
    entry["why"] = reasons_of(change, pair.back);
    if (!pair.to->imported.empty() && pair.back.empty()) {
      entry["why"] = Json::array();  // nothing is known of how it was made
      entry["why"].push_back({{"kind", "other"}, {"text", "it was imported"}});
    }
    entry["rows"] = change.at("rows");
    entry["metrics"] = change.at("metrics");
  }
  for (const Json& one : pair.to ? pair.to->committers.json() : Json::array()) {
    Json who = fmt::format("{} <{}>", one.at("author").get<std::string>(),
                           one.at("email").get<std::string>());
    Json& all = entry["committers"];
    if (std::find(all.begin(), all.end(), who) == all.end()) all.push_back(who);
  }
  return entry;
}

// The release that was live in the channel before this one took its place there; null: none.
const ReleaseState* before_in(const Registry& registry, const std::string& channel,
                              const std::string& tag) {
  auto history = registry.channels.find(channel);
  if (history == registry.channels.end()) return nullptr;
  for (auto it = history->second.rbegin(); it != history->second.rend(); ++it) {
    if (it->move.to != tag || it->move.from.empty()) continue;
    return registry.release(it->move.from);
  }
  return nullptr;
}

}  // namespace

Json WorkspaceBackend::release_diff(const std::string& a, const std::string& b) {
  Sides sides = daemon_.in_loop([&](Engine& engine) {
    const Registry& registry = engine.registry();
    const ReleaseState& from = find_release(registry, a);
    const ReleaseState& to = find_release(registry, b);
    return sides_of(registry, &from, to, to.release.channel);
  });
  std::lock_guard<std::mutex> lock(daemon_.sources_mutex());
  Json out = {{"from", sides.from}, {"to", sides.to}};
  out["models"] = out["added"] = out["removed"] = Json::array();
  for (const Pair& pair : sides.pairs) {
    if (pair.from && pair.to) {
      out["models"].push_back(change_of(daemon_.sources(), pair));
    } else if (pair.to) {
      out["added"].push_back({{"model", pair.name}, {"version", pair.to->number}});
    } else if (pair.from) {
      out["removed"].push_back({{"model", pair.name}, {"version", pair.from->number}});
    }
  }
  return out;
}

Json WorkspaceBackend::release_changelog(const std::string& a, const std::string& b,
                                         const std::string& channel) {
  Sides sides = daemon_.in_loop([&](Engine& engine) {
    const Registry& registry = engine.registry();
    const std::string name = channel_or_default(engine, channel);
    std::string tag = b.empty() ? registry.live(name) : find_release(registry, b).release.tag;
    if (tag.empty()) {
      throw Error(ErrorCode::kNotFound, fmt::format("channel {} has no release yet", name));
    }
    const ReleaseState* from =
        a.empty() ? before_in(registry, name, tag) : &find_release(registry, a);
    return sides_of(registry, from, *registry.release(tag), name);
  });
  std::lock_guard<std::mutex> lock(daemon_.sources_mutex());
  Json entries = Json::array();
  for (const Pair& pair : sides.pairs) entries.push_back(entry_of(daemon_.sources(), pair));
  return {{"channel", sides.channel}, {"from", sides.from.empty() ? Json() : Json(sides.from)},
          {"to", sides.to},           {"created", sides.created},
          {"models", sides.models},   {"entries", entries}};
}

}  // namespace lockstep
