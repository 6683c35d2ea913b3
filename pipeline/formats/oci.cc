#include "pipeline/formats/oci.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

constexpr size_t kMaxEntries = 10000;

Json descriptor_json(const OciDescriptor& d) {
  Json json = {{"mediaType", d.media_type}, {"digest", d.digest.str()}, {"size", d.size}};
  if (!d.annotations.empty()) json["annotations"] = d.annotations;
  return json;
}

Json descriptors_json(const std::vector<OciDescriptor>& all) {
  Json json = Json::array();
  for (const OciDescriptor& d : all) json.push_back(descriptor_json(d));
  return json;
}

// Readers throw Json::exception or Error(invalid) on anything unexpected; one door turns both into
// corrupt, with the document's name.
template <typename Read>
auto reading(std::string_view bytes, std::string_view what, Read read) {
  try {
    if (bytes.size() > kOciDocumentLimit) {
      throw Error(ErrorCode::kCorrupt, fmt::format("larger than {} bytes", kOciDocumentLimit));
    }
    return read(parse_json(bytes, what));
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::kCorrupt, fmt::format("{} can't be read: {}", what, e.what()));
  } catch (const Error& e) {
    throw Error(ErrorCode::kCorrupt, fmt::format("{} can't be read: {}", what, e.message), e.hint);
  }
}

[[noreturn]] void unexpected(const std::string& why) {
  throw Error(ErrorCode::kCorrupt, why);
}

const Json& array_of(const Json& json, const char* key) {
  const Json& value = json.at(key);
  if (!value.is_array() || value.size() > kMaxEntries) {
    unexpected(fmt::format("'{}' is not a list of at most {}", key, kMaxEntries));
  }
  return value;
}

StringMap read_map(const Json& json, const char* key) {
  if (!json.contains(key) || json.at(key).is_null()) return {};
  return json.at(key).get<StringMap>();
}

std::string oci_type(const std::string& type) {
  static const StringMap kDockers = {
      {kDockerManifestType, kOciManifestType},
      {"application/vnd.docker.container.image.v1+json", kOciConfigType},
      {"application/vnd.docker.image.rootfs.diff.tar", kOciLayerType},
      {"application/vnd.docker.image.rootfs.diff.tar.gzip",
       "application/vnd.oci.image.layer.v1.tar+gzip"}};
  auto known = kDockers.find(type);
  return known == kDockers.end() ? type : known->second;
}

std::string read_platform(const Json& json) {
  if (!json.contains("platform")) return "";
  const Json& platform = json.at("platform");
  std::string text =
      platform.at("os").get<std::string>() + "/" + platform.at("architecture").get<std::string>();
  std::string variant = platform.value("variant", "");
  return variant.empty() ? text : text + "/" + variant;
}

OciDescriptor read_descriptor(const Json& json) {
  if (!json.at("size").is_number_unsigned()) unexpected("a size is not a positive whole number");
  return {oci_type(json.at("mediaType").get<std::string>()),
          Digest::parse(json.at("digest").get<std::string>()), json.at("size").get<uint64_t>(),
          read_map(json, "annotations"), read_platform(json)};
}

void check_document(const Json& json, const char* media_type, const char* dockers) {
  if (json.at("schemaVersion") != 2) unexpected("its schemaVersion is not 2");
  // The field is optional in the specification, but never another type.
  const Json type = json.value("mediaType", Json(media_type));
  if (type != media_type && type != dockers) {
    unexpected(fmt::format("its media type is {}, not {}", type.dump(), media_type));
  }
}

}  // namespace

std::string oci_bytes(const OciManifest& manifest) {
  Json json = {{"schemaVersion", 2},
               {"mediaType", kOciManifestType},
               {"config", descriptor_json(manifest.config)},
               {"layers", descriptors_json(manifest.layers)}};
  if (!manifest.annotations.empty()) json["annotations"] = manifest.annotations;
  return canonical_json(json);
}

std::string oci_bytes(const OciIndex& index) {
  return canonical_json({{"schemaVersion", 2},
                         {"mediaType", kOciIndexType},
                         {"manifests", descriptors_json(index.manifests)}});
}

std::string oci_bytes(const OciConfig& config) {
  Json diff_ids = Json::array(), history = Json::array();
  for (const Digest& d : config.diff_ids) diff_ids.push_back(d.str());
  for (const std::string& by : config.history) {
    history.push_back({{"created", kOciEpoch}, {"created_by", by}});
  }
  Json runtime = parse_json(config.runtime, "the runtime configuration of the image");
  if (!config.labels.empty()) runtime["Labels"] = config.labels;
  Json json = {{"architecture", config.architecture},
               {"os", config.os},
               {"created", kOciEpoch},
               {"config", runtime},
               {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}};
  if (!config.history.empty()) json["history"] = history;
  return canonical_json(json);
}

OciManifest parse_oci_manifest(std::string_view bytes, std::string_view what) {
  return reading(bytes, what, [](const Json& json) {
    check_document(json, kOciManifestType, kDockerManifestType);
    OciManifest manifest;
    manifest.config = read_descriptor(json.at("config"));
    for (const Json& layer : array_of(json, "layers")) {
      manifest.layers.push_back(read_descriptor(layer));
    }
    manifest.annotations = read_map(json, "annotations");
    return manifest;
  });
}

OciIndex parse_oci_index(std::string_view bytes, std::string_view what) {
  return reading(bytes, what, [](const Json& json) {
    check_document(json, kOciIndexType, kDockerListType);
    OciIndex index;
    for (const Json& entry : array_of(json, "manifests")) {
      index.manifests.push_back(read_descriptor(entry));
    }
    return index;
  });
}

OciConfig parse_oci_config(std::string_view bytes, std::string_view what) {
  return reading(bytes, what, [](const Json& json) {
    OciConfig config;
    config.architecture = json.at("architecture").get<std::string>();
    config.os = json.at("os").get<std::string>();
    for (const Json& id : array_of(json.at("rootfs"), "diff_ids")) {
      config.diff_ids.push_back(Digest::parse(id.get<std::string>()));
    }
    if (json.contains("history") && json.at("history").is_array()) {
      for (const Json& entry : array_of(json, "history")) {
        if (entry.value("empty_layer", false)) continue;
        config.history.push_back(entry.value("created_by", ""));
      }
    }
    Json runtime = json.value("config", Json::object());
    if (!runtime.is_object()) runtime = Json::object();
    config.labels = read_map(runtime, "Labels");
    runtime.erase("Labels");
    config.runtime = canonical_json(runtime);
    return config;
  });
}

int model_bin(std::string_view name) {
  Digest digest = sha256(name);
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value = value << 8 | digest.bytes[i];
  return static_cast<int>(value % 100);
}

bool fixed_tag(std::string_view tag) {
  if (tag.size() != 32 && tag.size() != 41) return false;
  for (size_t i = 0; i < tag.size(); ++i) {
    bool hex = (tag[i] >= '0' && tag[i] <= '9') || (tag[i] >= 'a' && tag[i] <= 'f');
    if (i == 32 ? tag[i] != '-' : !hex) return false;
  }
  return true;
}

void check_tag(std::string_view tag) {
  auto word = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  bool good =
      !tag.empty() && tag.size() <= 128 && word(tag.front()) &&
      std::all_of(tag.begin(), tag.end(), [&](char c) { return word(c) || c == '.' || c == '-'; });
  if (!good) {
    throw Error(ErrorCode::kInvalid, fmt::format("'{}' can't be a tag of an image", printable(tag)),
                "a tag is a letter, digit or _, then at most 127 of letters, digits, . _ -");
  }
}

}  // namespace lockstep
