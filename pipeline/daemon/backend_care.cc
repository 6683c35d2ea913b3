// Replay and collection.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "connectors/oci_layout/layout.h"
#include "connectors/oci_registry/pull.h"
#include "pipeline/base/folder.h"
#include "pipeline/base/process.h"
#include "pipeline/daemon/backend.h"
#include "pipeline/daemon/byte_difference.h"
#include "pipeline/daemon/needed.h"
#include "pipeline/daemon/versions.h"
#include "pipeline/engine/world.h"
#include "pipeline/exec/prepare.h"
#include "pipeline/runner/workspace.h"
#include "pipeline/snapshot/snapshot.h"
#include "pipeline/store/sqlite_store.h"
#include "registry/rules/queries.h"

namespace lockstep {
namespace {

std::vector<std::string> environment_differences(const Json& recorded, const Json& now) {
  std::vector<std::string> all;
  Json was = recorded.is_object() ? recorded.flatten() : Json::object();
  Json is = now.is_object() ? now.flatten() : Json::object();
  for (const auto& [name, value] : was.items()) {
    Json other = is.value(name, Json());
    if (other == value) continue;
    all.push_back(fmt::format("environment {}: {} then, {} now", name.substr(1), value.dump(),
                              other.is_null() ? "nothing" : other.dump()));
  }
  for (const auto& [name, value] : is.items()) {
    if (!was.contains(name)) {
      all.push_back(
          fmt::format("environment {}: nothing then, {} now", name.substr(1), value.dump()));
    }
  }
  return all;
}

// The first output that differs, by name, and where it begins to.
std::string differing_output(Artifacts& artifacts, const std::map<std::string, Digest>& recorded,
                             const std::map<std::string, Digest>& replayed) {
  for (const auto& [name, digest] : recorded) {
    auto now = replayed.find(name);
    if (now == replayed.end()) return fmt::format("output `{}` is there no longer", name);
    if (now->second == digest) continue;
    return fmt::format("output `{}` is the first that differs: {}", name,
                       first_difference(artifacts, digest, now->second));
  }
  return "no output differs";
}

// What holds what stays: each artifact counts once, for the first reason that holds it.
class Holders {
 public:
  void add(std::string_view why, uint64_t size) {
    auto& [count, bytes] = by_[why];
    ++count;
    bytes += size;
  }
  Json json() const {  // the most bytes first
    Json all = Json::array();
    for (const auto& [why, sum] : by_) {
      all.push_back({{"why", why}, {"artifacts", sum.first}, {"bytes", sum.second}});
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const Json& a, const Json& b) { return a["bytes"] > b["bytes"]; });
    return all;
  }

 private:
  std::map<std::string_view, std::pair<uint64_t, uint64_t>> by_;
};

// Snapshots that no delivery asked for in so long are not kept; nor are those that can't be read.
constexpr int64_t kSnapshotUnused_ms = 30LL * 24 * 3600 * 1000;

// Adds what the slices' snapshots need to `kept`; how many snapshots are given up.
size_t keep_snapshots(SnapshotIndex& index, Artifacts& artifacts, bool dry,
                      std::set<Digest>& kept) {
  size_t given_up = 0;
  const int64_t now_ms = SystemClock().now_ms();
  for (const auto& [slice, one] : index.every_snapshot()) {
    std::set<Digest> all;
    bool keep = now_ms - one.delivered_ms < kSnapshotUnused_ms;
    try {
      for (size_t i = 0; keep && i < one.parts.size(); ++i) {
        for (const Digest& digest : describe_snapshot(artifacts, one.parts[i]).digests) {
          all.insert(digest);
        }
      }
    } catch (const Error& error) {
      if (error.code == ErrorCode::kUnavailable) throw;
      keep = false;
    }
    if (keep) kept.merge(all);
    if (keep) continue;
    ++given_up;
    if (!dry) index.forget(slice, one.commit);
  }
  return given_up;
}

}  // namespace

namespace {

// Base images that kept releases were built on, or the next ones will be.
std::set<std::string> bases_of(Engine& engine, const std::set<std::string>& releases) {
  std::set<std::string> bases;
  for (const std::string& tag : releases)
    bases.insert(engine.registry().release(tag)->release.base);
  for (const auto& [channel, ground] : engine.images()) bases.insert(ground.base);
  bases.erase("");
  return bases;
}

}  // namespace

std::unique_ptr<Backend> make_backend(Daemon& daemon) {
  return std::make_unique<WorkspaceBackend>(daemon);
}

Json WorkspaceBackend::replay(const std::string& name, std::optional<int64_t> number) {
  struct Recorded {
    Version version;
    Json context;
    std::map<std::string, Digest> outputs;  // of the attempt that made it, where they are known
  };
  Recorded recorded = daemon_.in_loop([&](Engine& engine) {
    const ModelState& model = find_model(engine.registry(), name);
    Recorded found{find_version(model, name, number), Json(), {}};
    std::optional<AttemptRecord> attempt = engine.store().attempt(found.version.attempt);
    if (attempt) found.context = attempt->context;
    std::optional<ResultRecord> made = engine.store().result(found.version.fingerprint);
    if (made && made->attempt == found.version.attempt) found.outputs = made->outputs;
    found.outputs["model"] = found.version.digest;
    return found;
  });
  if (recorded.context.is_null()) {
    throw Error(
        ErrorCode::kNotFound,
        fmt::format("how {}@{} was made is not recorded here{}", name, recorded.version.number,
                    recorded.version.trigger == "adopted" || recorded.version.trigger == "imported"
                        ? ": it was " + recorded.version.trigger
                        : ""),
        "only versions that this workspace trained can be replayed");
  }
  daemon_.work();
  std::unique_ptr<SourceSet> sources = daemon_.parts().open_sources();
  Watched watched = sources->watched();
  PrepareFrom from{watched.tables, watched.code,
                   [this](const std::string& secret) { return daemon_.parts().secret(secret); }};
  std::string id = fmt::format("replay-{}-{}", recorded.version.attempt, SystemClock().now_ms());
  recorded.context["spec"]["checkpoint"] = id;  // a clean folder, nothing kept from earlier tries
  AttemptResult result =
      daemon_.effects().run_once(prepare_attempt(id, recorded.context, from, daemon_.artifacts()));
  Json out = {{"model", name},
              {"version", recorded.version.number},
              {"recorded", recorded.version.digest.hex()},
              {"replayed", nullptr},
              {"identical", false},
              {"differences", Json::array()},
              {"seconds", double(result.finished_ms - result.started_ms) / 1000}};
  if (result.end != AttemptEnd::kSucceeded) {
    out["differences"].push_back("the replay failed: " + result.error);
    return out;
  }
  Digest replayed = result.outputs.at("model");
  out["replayed"] = replayed.hex();
  out["identical"] = replayed == recorded.version.digest;
  if (out["identical"].get<bool>()) return out;
  for (const std::string& difference :
       environment_differences(recorded.version.environment.json(), result.environment)) {
    out["differences"].push_back(difference);
  }
  out["differences"].push_back(
      differing_output(daemon_.artifacts(), recorded.outputs, result.outputs));
  return out;
}

// Commits that this workspace keeps for releases that are kept no longer.
size_t WorkspaceBackend::free_refs(size_t keep_releases, bool dry) {
  std::unique_lock<std::mutex> turn;  // of a push, which holds some
  try {
    turn = daemon_.effects().publishing();
  } catch (const Error& error) {
    spdlog::warn("what sources keep is not freed: {}", error.what());
    return 0;
  }
  std::set<SourceCommit> needed = daemon_.in_loop([&](Engine& engine) {
    return training_commits(engine.registry(), kept_releases(engine.registry(), keep_releases));
  });
  const std::string owner = daemon_.parts().owner();
  std::lock_guard<std::mutex> lock(daemon_.sources_mutex());
  size_t freed = 0;
  for (const auto& [name, store] : daemon_.sources().tables) {
    try {
      for (const std::string& commit : store->kept(owner)) {
        if (needed.count({name, commit})) continue;
        if (!dry) store->release(owner, commit);
        ++freed;
      }
    } catch (const Error& error) {
      spdlog::warn("what {} keeps can't be freed: {}", name, error.what());
    }
  }
  return freed;
}

// A checkpoint is of use to the fingerprint that made it: those that no step has today go. Of a
// step whose fingerprint is not known, the one that it was last attempted with stays.
size_t WorkspaceBackend::free_checkpoints(bool dry) {
  const RunnerPaths runner{daemon_.parts().state() / "runner"};
  Trigger trigger{"manual", "", {}, false, true};
  std::set<fs::path> needed;
  try {
    if (daemon_.effects().working() && !daemon_.effects().executor().known().empty()) return 0;
    auto cursors = daemon_.in_loop([](Engine& engine) { return engine.cursors(); });
    std::shared_ptr<Survey> seen = daemon_.look(trigger, cursors);
    if (seen->graph->incomplete) return 0;
    daemon_.in_loop([&](Engine& engine) {
      DryWorld dry_world(engine, seen);
      std::unique_ptr<Plan> plan = engine.preview(seen, trigger, dry_world);
      for (StepId id : seen->graph->order) {
        const auto& recipe = plan->at(id).recipe;
        auto last = engine.store().last_attempt("", seen->graph->step(id).name);
        if (recipe) needed.insert(runner.checkpoint(recipe->fingerprint.hex()));
        if (!recipe && last) needed.insert(runner.checkpoint(last->fingerprint.hex()));
      }
    });
  } catch (const Error& error) {
    spdlog::warn("no checkpoint is freed: {}", error.what());
    return 0;
  }
  // Asked again: what began meanwhile may have made one.
  const std::unique_lock<std::mutex> no_plan = daemon_.no_plan();
  const bool idle = daemon_.in_loop(
      [](Engine& engine) { return !engine.active() && engine.past().live().empty(); });
  size_t freed = 0;
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(runner.checkpoints(), none)) {
    if (!idle || needed.count(entry.path())) continue;
    std::error_code failed;
    if (!dry) fs::remove_all(entry.path(), failed);
    if (failed) spdlog::warn("checkpoint {} stays: {}", entry.path().string(), failed.message());
    freed += failed ? 0 : 1;
  }
  return freed;
}

static Kept needed_of(Engine& engine, size_t keep_releases) {
  if (engine.active() || !engine.past().live().empty()) {
    throw Error(ErrorCode::kConflict, "a run is at work",
                "collect when it has finished; `lockstep status` shows it");
  }
  return needed_because(engine.registry(), engine.store(), keep_releases);
}

// In the loop, where whatever takes bytes into use does so: a rollback to a version, say, that
// nothing kept when they were looked at. Some at a time, so that nobody waits long for an answer.
void WorkspaceBackend::free_bytes(const std::vector<Digest>& unneeded, const Kept& because,
                                  size_t keep_releases) {
  constexpr size_t kAtOnce = 1000;
  for (size_t from = 0; from < unneeded.size(); from += kAtOnce) {
    daemon_.in_loop([&](Engine& engine) {
      if (needed_of(engine, keep_releases) != because) {
        throw Error(ErrorCode::kConflict, "what must be kept has changed while it was looked at",
                    "collect again");
      }
      const size_t to = std::min(unneeded.size(), from + kAtOnce);
      for (size_t i = from; i < to; ++i) daemon_.artifacts().remove(unneeded[i]);
    });
  }
}

// What a build or a push has just begun to need is known to the registry when it has ended.
uint64_t WorkspaceBackend::free_images(size_t keep_releases) {
  const fs::path& images = daemon_.parts().workspace().releases;
  if (!fs::exists(images / "index.json")) return 0;
  const std::unique_lock<std::mutex> one_writer = daemon_.effects().building();
  const std::set<std::string> refs = daemon_.in_loop([&](Engine& engine) {
    const std::set<std::string> releases = kept_releases(engine.registry(), keep_releases);
    std::set<std::string> all = releases;
    for (const auto& [channel, moves] : engine.registry().channels) all.insert(channel);
    for (const std::string& base : bases_of(engine, releases)) {
      all.insert(base_ref(Digest::parse(base)));
    }
    return all;
  });
  return prune(images, refs);
}

Json WorkspaceBackend::gc(const Caller& caller) {
  const std::unique_lock<std::mutex> alone = daemon_.backups().alone();
  daemon_.know_graph();
  const size_t keep = daemon_.parts().workspace().policies.keep_releases;
  const Kept because = daemon_.in_loop([&](Engine& engine) { return needed_of(engine, keep); });
  std::set<Digest> kept;
  for (const auto& [digest, why] : because) kept.insert(kept.end(), digest);
  add_listed(std::set<Digest>(kept), daemon_.artifacts(), kept);
  const std::set<Digest> listed = kept;
  Database db(daemon_.parts().state() / "state.db");
  SqliteSnapshotIndex index(db);
  const size_t snapshots = keep_snapshots(index, daemon_.artifacts(), caller.dry_run, kept);
  Json freed = Json::array();
  uint64_t bytes = 0;
  std::vector<Digest> unneeded;
  Holders held;
  daemon_.artifacts().each([&](const Digest& digest, uint64_t size) {
    if (kept.count(digest)) {
      auto known = because.find(digest);
      return held.add(known != because.end() ? known->second
                      : listed.count(digest) ? "a file of a folder that is kept"
                                             : "rows that steps were given in the last 30 days",
                      size);
    }
    unneeded.push_back(digest);
    freed.push_back({{"sha256", digest.hex()}, {"bytes", size}});
    bytes += size;
  });
  uint64_t image_bytes = 0;
  if (!caller.dry_run) {
    const std::unique_lock<std::mutex> no_plan = daemon_.no_plan();
    free_bytes(unneeded, because, keep);
  }
  if (!caller.dry_run) image_bytes = free_images(keep);
  return {{"freed", freed},
          {"bytes", bytes + image_bytes},
          {"refs", free_refs(keep, caller.dry_run)},
          {"checkpoints", free_checkpoints(caller.dry_run)},
          {"snapshots", snapshots},
          {"held", kept.size()},
          {"held_by", held.json()},
          {"dry_run", caller.dry_run}};
}

}  // namespace lockstep
