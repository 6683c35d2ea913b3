// Questions to a registry: what was live when, which release a text means, who was trained on what.
// Knows nothing of who asks; changes nothing.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "registry/rules/registry.h"

namespace lockstep {

// The version an alias pointed to at that time; 0: none.
int64_t alias_at(const Registry& registry, const std::string& model, const std::string& alias,
                 int64_t time_ms);
// The release that was live in the channel at that time; null: none.
const ReleaseState* live_release_at(const Registry& registry, const std::string& channel,
                                    int64_t time_ms);

// A full tag, a prefix of at least 4 digits that means one release, or a channel (its live one).
// Throws not_found, or conflict listing what the prefix may mean.
const ReleaseState& find_release(const Registry& registry, const std::string& text);

// Why a release counts as withdrawn in a channel: by its own mark there, or because it names a
// withdrawn version. Empty: it does not.
std::string withdrawn_because(const Registry& registry, const ReleaseState& release,
                              const std::string& channel);

struct ReleaseDifference {
  std::vector<std::string> added, removed;
  struct Change {
    std::string model;
    int64_t from = 0, to = 0;
  };
  std::vector<Change> moved;
};
ReleaseDifference release_difference(const Release& from, const Release& to);

// Tags of the releases that name this version of the model, oldest first.
std::vector<std::string> releases_naming(const Registry& registry, const std::string& model,
                                         int64_t version);

// Model, by its name today, → its version that this one was trained on. Records that say no such
// thing are passed over.
std::map<std::string, int64_t> upstreams_of(const Registry& registry, const Version& version);

// Other models, not retired, of which a version that holds an alias was trained on any version of
// `model`.
std::set<std::string> consumers_of(const Registry& registry, const std::string& model);

}  // namespace lockstep
