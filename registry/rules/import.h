// A ledger that was begun elsewhere: its releases, with the exact bytes of their manifests, and
// what is known of its models become facts. Pure: reads texts, knows nothing of files or storage.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "registry/rules/rules.h"

namespace lockstep {

// One release as it was live somewhere, in the order of history.
struct ForeignRelease {
  std::string place;  // for errors: "ledger.json, release 3"
  std::string tag;    // MD5 of `manifest`
  std::string manifest;
  ManifestStyle style = ManifestStyle::kCanonical;
  std::vector<std::pair<std::string, int64_t>> versions;  // in the manifest's order
  std::string channel;
  std::string said;     // who, when and why, as far as it is told; one line, or empty
  int64_t told_ms = 0;  // when it went live, where that is told as a time; else 0
};

using ModelVersion = std::pair<std::string, int64_t>;

struct ForeignLedger {
  std::vector<ForeignRelease> releases;
  std::map<ModelVersion, Digest> digests;  // as far as they are told
};

// The time that a text is, or that its first two words or its first one are; else 0.
int64_t told_time(const std::string& said);

std::string_view word(ManifestStyle style);  // "canonical", "python-json", "python-json-sorted"
std::optional<ManifestStyle> manifest_style(const std::string& word);

// {"releases": [{"manifest": {name: "version"}, "tag", "channel", "time", "who", "why",
//   "sha256": {name: hex}}, …], "models": {name: {"version": hex}}}, or the list alone. Without a
// `style` each release has the one whose bytes have its tag. Throws invalid, with the place: no
// UTF-8, a name or member given twice, a version that is no whole number from 1, a tag that is not
// the MD5 of the bytes.
ForeignLedger read_foreign_ledger(const std::string& text, const std::string& place,
                                  std::optional<ManifestStyle> style, const std::string& channel);

// One manifest as it was kept in a file of its own, called by its tag: bytes as they are, but for a
// line feed at the end that is not part of them.
ForeignRelease read_foreign_manifest(const std::string& bytes, const std::string& tag,
                                     const std::string& place, std::optional<ManifestStyle> style);

struct ForeignBytes {
  Digest digest;
  bool here = false;  // in the artifact store
};

struct ImportRequest {
  ForeignLedger ledger;
  std::map<ModelVersion, ForeignBytes> files;  // that were found
  std::string who, reason;
};
struct Import {
  std::vector<Fact> facts;
  size_t models = 0, versions = 0, known = 0, with_bytes = 0, without_digest = 0;
  std::vector<bool> fresh;  // by release: it was not known
};
// Versions (of which nothing is known: of a digest that no bytes have), releases, and the moves of
// each channel and its models' aliases in the order given; champions go with them. Importing the
// same again gives no facts. Throws conflict, with the place, where the registry has made what the
// ledger numbers, or a channel has moved by itself; invalid where file and digest differ.
Import import_ledger(const Registry& registry, const ImportRequest& request);

}  // namespace lockstep
