#include "pipeline/daemon/needed.h"

#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"

namespace lockstep {

namespace {

std::set<Digest> fingerprints_of(const Registry& registry, Store& store,
                                 const std::set<Digest>& kept) {
  std::set<Digest> all;
  for (const auto& [name, model] : registry.models) {
    for (const Version& version : model.versions) {
      if (kept.count(version.digest)) all.insert(version.fingerprint);
    }
  }
  for (const auto& [name, hex] : store.all("accepted/")) all.insert(Digest::parse(hex));
  for (const auto& [branch, text] : store.all("preview/")) {
    const Json preview = parse_json(text, branch);
    for (const Json& hex : preview.at("fingerprints")) {
      all.insert(Digest::parse(hex.get<std::string>()));
    }
  }
  return all;
}

}  // namespace

std::set<Digest> needed_fingerprints(const Registry& registry, Store& store, size_t keep_releases) {
  return fingerprints_of(registry, store, kept_digests(registry, keep_releases));
}

Kept needed_because(const Registry& registry, Store& store, size_t keep_releases) {
  Kept all = kept_because(registry, keep_releases);
  const std::string images = store.get("images");
  const Json grounds = images.empty() ? Json::object() : parse_json(images, "what images stand on");
  for (const auto& [channel, one] : grounds.items()) {
    const std::string code = one.at("code");
    if (!code.empty()) all.emplace(Digest::parse(code), "serving code of the next release");
  }
  std::set<Digest> kept;
  for (const auto& [digest, why] : all) kept.insert(kept.end(), digest);
  for (const Digest& fingerprint : fingerprints_of(registry, store, kept)) {
    std::optional<ResultRecord> result = store.result(fingerprint);
    if (!result) continue;
    for (const auto& [name, digest] : result->outputs) {
      all.emplace(digest, "a result of today's steps, of a preview or beside a kept version");
    }
  }
  return all;
}

std::set<Digest> needed_bytes(const Registry& registry, Store& store, size_t keep_releases) {
  std::set<Digest> all;
  for (const auto& [digest, why] : needed_because(registry, store, keep_releases)) {
    all.insert(all.end(), digest);
  }
  return all;
}

void add_listed(const std::set<Digest>& listings, ArtifactStore& artifacts, std::set<Digest>& all) {
  constexpr uint64_t kMaxListing_bytes = 64 << 20;
  for (const Digest& digest : listings) {
    if (!artifacts.has(digest) || artifacts.size(digest) > kMaxListing_bytes) continue;
    std::string bytes = artifacts.get(digest);
    if (!bytes.starts_with("[[\"")) continue;
    try {
      for (const FolderEntry& entry : parse_folder_listing(bytes)) all.insert(entry.digest);
    } catch (const Error& error) {
      if (error.code != ErrorCode::kInvalid) throw;  // else: a file that only begins like one
    }
  }
}

}  // namespace lockstep
