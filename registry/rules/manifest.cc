#include <algorithm>

#include "pipeline/base/error.h"
#include "registry/rules/rules.h"

namespace lockstep {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Python's json.dumps with its defaults writes text like this dump: ASCII only, \uxxxx in lower
// case, surrogate pairs.
std::string quoted(const std::string& text, ManifestStyle style) {
  if (!valid_utf8(text)) throw Error(ErrorCode::kInvalid, "a model's name is not valid UTF-8");
  if (style == ManifestStyle::kCanonical) return canonical_text(text);
  return Json(text).dump(-1, ' ', true);
}

void refuse_duplicates(const Pairs& sorted) {
  for (size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i].first == sorted[i - 1].first) {
      throw Error(ErrorCode::kInvalid, "a manifest names " + sorted[i].first + " twice");
    }
  }
}

std::string manifest_of(const ReleaseModels& models) {
  Pairs versions;
  for (const auto& [name, model] : models) {
    versions.emplace_back(name, std::to_string(model.version));
  }
  return manifest_bytes(versions);
}

}  // namespace

std::string manifest_bytes(const Pairs& versions, ManifestStyle style) {
  Pairs sorted = versions;
  std::sort(sorted.begin(), sorted.end());
  refuse_duplicates(sorted);
  bool canonical = style == ManifestStyle::kCanonical;
  std::string out = "{";
  for (const auto& [name, version] : style == ManifestStyle::kPythonJson ? versions : sorted) {
    if (out.size() > 1) out += canonical ? "," : ", ";
    out += quoted(name, style) + (canonical ? ":" : ": ") + quoted(version, style);
  }
  return out + "}";
}

std::string manifest_tag(const std::string& manifest) {
  return md5_hex(manifest);
}

std::string manifest_of(const Release& release) {
  return release.manifest.empty() ? manifest_of(release.models) : release.manifest;
}

bool follows_from_models(const Release& release) {
  return release.manifest.empty() || manifest_of(release.models) == release.manifest;
}

Digest release_content(const Release& release) {
  Json models = Json::object();
  for (const auto& [name, model] : release.models) models[name] = model.digest.str();
  auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  return sha256(canonical_json({{"format", 1},
                                {"manifest", manifest_of(release)},
                                {"models", std::move(models)},
                                {"base", or_null(release.base)},
                                {"code", or_null(release.code)}}));
}

std::string rebuilt_tag(const Release& release) {
  return manifest_tag(manifest_of(release)) + "-" + release_content(release).hex().substr(0, 8);
}

std::string signed_text(const Digest& content) {
  return "lockstep.release.1\n" + content.str() + "\n";
}

std::string content_problem(const Release& release) {
  const std::string manifest = manifest_of(release);
  if (!release.tag.starts_with(manifest_tag(manifest))) {
    return "its tag is not that of its manifest, " + manifest_tag(manifest);
  }
  Release whole = release;
  whole.manifest = manifest;
  const Digest content = release_content(whole);
  if (content == release.content) return "";
  return "its content is recorded as " + release.content.str() + " and is " + content.str();
}

void check_trusted(const Registry& registry, const ReleaseState& release,
                   const Distrust& distrust) {
  std::string why = content_problem(release.release);
  if (why.empty() && distrust) why = distrust(registry, release);
  if (why.empty()) return;
  throw Error(ErrorCode::kConflict, "release " + release.release.tag + " is not pointed to: " + why,
              "`lockstep release verify " + release.release.tag.substr(0, 12) + "` looks at it");
}

}  // namespace lockstep
