// Notes, tags, marks; and versions found by what is recorded of them.
#include <fmt/format.h>

#include "pipeline/daemon/backend.h"
#include "pipeline/daemon/hold.h"
#include "pipeline/daemon/versions.h"
#include "registry/rules/queries.h"
#include "registry/rules/search.h"
#include "registry/rules/words.h"

namespace lockstep {
namespace {

constexpr size_t kMaxNote_bytes = 16 << 10, kMaxKey_bytes = 128, kMaxValue_bytes = 1 << 10;
constexpr size_t kMostTags = 100, kMostNotes = 10'000;

// What a remark is about, by today's name.
struct Subject {
  std::string model, release;
  int64_t version = 0;

  const Remarks& in(const Registry& registry) const {
    static const Remarks kNone;
    if (model.empty()) return registry.release(release)->remarks;
    const auto& all = registry.model(model)->remarks;
    auto found = all.find(version);
    return found == all.end() ? kNone : found->second;
  }

  Json json() const {
    if (model.empty()) return {{"model", nullptr}, {"version", nullptr}, {"release", release}};
    return {{"model", model}, {"version", version}, {"release", nullptr}};
  }
};

Subject subject_of(const Registry& registry, const Json& body) {
  const std::string release = body.value("release", ""), name = body.value("model", "");
  if (!release.empty()) return {"", find_release(registry, release).release.tag, 0};
  const ModelState& model = find_model(registry, name);
  std::optional<int64_t> number;
  if (!body.at("version").is_null()) number = body.at("version").get<int64_t>();
  return {registry.name_today(name), "", find_version(model, name, number).number};
}

void need_size(const std::string& what, const std::string& text, size_t most) {
  if (text.size() <= most) return;
  throw Error(ErrorCode::kInvalid,
              fmt::format("{} has {} bytes, more than {}", what, text.size(), most));
}

void refuse_more(const char* what, size_t there, size_t most) {
  if (there < most) return;
  throw Error(ErrorCode::kConflict, fmt::format("it has {} {} already", there, what));
}

Json found_json(const Registry& registry, const FoundVersion& one) {
  Json aliases = Json::array(), people = Json::array();
  for (const auto& [alias, to] : one.model->aliases) {
    if (to == one.version->number) aliases.push_back(alias);
  }
  for (const Json& person : one.version->committers.json()) {
    Json author = person.value("author", "");
    if (std::find(people.begin(), people.end(), author) == people.end()) people.push_back(author);
  }
  const Subject subject{one.version->model, "", one.version->number};
  return {{"model", one.version->model},
          {"version", one.version->number},
          {"created", rfc3339(one.created_ms)},
          {"sha256", one.version->digest.hex()},
          {"aliases", aliases},
          {"metrics", one.version->metrics.json()},
          {"commits", one.version->commits},
          {"committers", people},
          {"tags", subject.in(registry).tags},
          {"trigger", one.version->trigger}};
}

VersionQuery query_of(const Json& wanted) {
  VersionQuery query;
  query.name = wanted.at("name");
  query.hash = wanted.at("hash");
  if (query.hash.starts_with("sha256:")) query.hash.erase(0, 7);
  query.commit = wanted.at("commit");
  query.committer = wanted.at("committer");
  const std::string since = wanted.at("since"), until = wanted.at("until");
  if (!since.empty()) query.since_ms = parse_time(since);
  if (!until.empty()) query.until_ms = parse_time(until);
  for (const Json& bound : wanted.at("metric")) query.metrics.push_back(MetricBound::parse(bound));
  for (const std::string text : wanted.at("tag")) {
    const size_t equals = text.find('=');
    if (equals == text.npos) {
      query.tags.emplace_back(text, std::nullopt);
    } else {
      query.tags.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  query.limit = wanted.at("limit").get<size_t>();
  return query;
}

}  // namespace

Json remarks_json(const Remarks& remarks) {
  Json notes = Json::array(), history = Json::array();
  for (const Remarks::Said& one : remarks.notes) {
    notes.push_back({{"time", rfc3339(one.time_ms)}, {"who", one.who}, {"text", one.text}});
  }
  for (const Remarks::TagMove& one : remarks.tag_moves) {
    history.push_back({{"time", rfc3339(one.time_ms)},
                       {"who", one.who},
                       {"key", one.key},
                       {"value", one.value},
                       {"removed", one.removed}});
  }
  return {{"notes", notes}, {"tags", remarks.tags}, {"tag_history", history}};
}

Json WorkspaceBackend::note(const Json& body, const Caller& caller) {
  return daemon_.in_loop([&](Engine& engine) {
    const Subject about = subject_of(engine.registry(), body);
    const Note note{about.model, about.version, about.release, caller.user, body.at("text")};
    need_size("the note", note.text, kMaxNote_bytes);
    refuse_more("notes", about.in(engine.registry()).notes.size(), kMostNotes);
    if (!caller.dry_run) engine.append({note});
    Json out = about.json();
    out.update(remarks_json(about.in(engine.registry())));
    out["dry_run"] = caller.dry_run;
    return out;
  });
}

Json WorkspaceBackend::tag(const Json& body, const Caller& caller) {
  return daemon_.in_loop([&](Engine& engine) {
    const Subject about = subject_of(engine.registry(), body);
    Tagged tag{about.model,    about.version,    about.release,    caller.user,
               body.at("key"), body.at("value"), body.at("remove")};
    need_size("the tag's key", tag.key, kMaxKey_bytes);
    need_size("the tag's value", tag.value, kMaxValue_bytes);
    if (tag.key.find('=') != tag.key.npos) {
      throw Error(ErrorCode::kInvalid, "a tag's key has no `=`", "write it as KEY=VALUE");
    }
    const auto& tags = about.in(engine.registry()).tags;
    auto known = tags.find(tag.key);
    if (tag.removed && known == tags.end()) {
      throw Error(ErrorCode::kNotFound, "it has no tag " + tag.key);
    }
    if (tag.removed) tag.value = known->second;
    if (known == tags.end()) refuse_more("tags", tags.size(), kMostTags);
    const bool same = !tag.removed && known != tags.end() && known->second == tag.value;
    if (!caller.dry_run && !same) engine.append({tag});
    Json out = about.json();
    out.update(remarks_json(about.in(engine.registry())));
    out["dry_run"] = caller.dry_run;
    return out;
  });
}

Json WorkspaceBackend::search(const Json& wanted) {
  const VersionQuery query = query_of(wanted);
  return daemon_.in_loop([&](Engine& engine) {
    Json all = Json::array();
    for (const FoundVersion& one : search_versions(engine.registry(), query)) {
      all.push_back(found_json(engine.registry(), one));
    }
    return all;
  });
}

Json WorkspaceBackend::release_keep(const std::string& which, bool keep, const Caller& caller) {
  std::set<SourceCommit> commits;
  Json out = daemon_.in_loop([&](Engine& engine) {
    const ReleaseState& state = find_release(engine.registry(), which);
    const ReleaseKept mark{state.release.tag, caller.user, caller.reason, keep};
    for (const auto& [name, entry] : state.release.models) {
      if (!keep || daemon_.artifacts().has(entry.digest)) continue;
      throw Error(ErrorCode::kConflict,
                  fmt::format("release {} can't be kept: the bytes of {} are gone", mark.tag,
                              version_text(name, entry.version)));
    }
    if (!keep && !state.kept) {
      throw Error(ErrorCode::kConflict, "release " + mark.tag + " is not marked to be kept");
    }
    Json answer = {{"channel", state.release.channel},
                   {"tag", mark.tag},
                   {"kept", keep},
                   {"not_held", Json::array()},
                   {"dry_run", caller.dry_run}};
    if (keep) commits = training_commits(engine.registry(), {mark.tag});
    if (!caller.dry_run && !(keep && state.kept)) engine.append({mark});
    return answer;
  });
  if (!keep || caller.dry_run) return out;
  // Its rows with it: they may have been held no longer.
  std::lock_guard<std::mutex> lock(daemon_.sources_mutex());
  CommitHolder holder(daemon_.parts().owner(),
                      [&](const std::string& text) { out["not_held"].push_back(text); });
  std::optional<Error> away = holder.hold(daemon_.sources().watched().tables, commits);
  if (away) out["not_held"].push_back(away->what());
  return out;
}

}  // namespace lockstep
