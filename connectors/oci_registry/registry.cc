#include "connectors/oci_registry/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "connectors/oci_layout/image.h"
#include "connectors/oci_layout/modelpack.h"
#include "pipeline/base/error.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

constexpr int kMaxRedirects = 5;
// Docker's types too: a tag that holds such an image is then shown with its true digest.
constexpr const char* kManifestTypes =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json";

bool redirects(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// "TAG_INVALID: manifest tag did not match URI", if the registry says anything.
std::string reason(const HttpResponse& answer) {
  try {
    Json first = parse_json(answer.body, "the answer").at("errors").at(0);
    return ": " + printable(first.value("code", "") + " " + first.value("message", ""), 300);
  } catch (const Error&) {
    return "";
  } catch (const Json::exception&) {
    return "";
  }
}

Url base_url(const RegistryPlace& place, const RegistryOptions& options) {
  Url url;
  url.tls = !options.plain_http.value_or(place.loopback());
  url.host = place.host;
  url.port = place.port ? place.port : url.tls ? 443 : 80;
  return url;
}

bool is_digest(const std::string& reference) {
  return reference.substr(0, 7) == "sha256:";
}

RegistryOptions with_own_host(RegistryOptions options, const Url& base) {
  if (!options.own) return options;
  options.http.network.own_host = base.host;
  options.http.network.own_port = base.port;
  return options;
}

}  // namespace

RegistryClient::RegistryClient(const std::string& place, RegistryOptions options)
    : place_(place),
      repository_(parse_place(place).repository),
      base_(base_url(parse_place(place), options)),
      options_(with_own_host(std::move(options), base_)),
      http_(options_.http) {}

// ---- exchanges ------------------------------------------------------------------------------

Url RegistryClient::url(const std::string& path) const {
  Url url = base_;
  url.target = "/v2/" + repository_ + "/" + path;
  return url;
}

void RegistryClient::refused(const HttpResponse& answer, const std::string& what) const {
  std::string text =
      fmt::format("{} answered {} to {}{}", place_, answer.status, what, reason(answer));
  if (answer.status == 401 || answer.status == 403) {
    throw Error(ErrorCode::kDenied, text, "check the user, the password and their rights");
  }
  if (answer.status == 404) throw Error(ErrorCode::kNotFound, text);
  if (answer.status == 413) {
    throw Error(ErrorCode::kInvalid, text, "the registry, or a proxy before it, limits the size");
  }
  if (answer.status == 507) throw Error(ErrorCode::kUnavailable, text, "the registry is full");
  if (answer.status == 408 || answer.status == 429 || answer.status >= 500) {
    std::string wait = printable(answer.header("retry-after"), 40);
    throw Error(ErrorCode::kUnavailable, text,
                wait.empty() ? "try again later" : "it asks to wait for " + wait + " s");
  }
  throw Error(ErrorCode::kInvalid, text, "is this a registry of the OCI distribution kind?");
}

HttpResponse RegistryClient::ask_authorized(HttpRequest& request) {
  // Credentials are for the registry alone, wherever it sends us.
  bool ours = request.url.same_origin(base_);
  request.headers.erase("Authorization");
  if (ours && !authorization_.empty()) request.headers["Authorization"] = authorization_;
  ++requests_;
  HttpResponse answer = http_.send(request);
  if (answer.status != 401 || !ours) return answer;
  if (options_.credentials.empty() && options_.find_credentials) {
    options_.credentials = std::exchange(options_.find_credentials, nullptr)();
  }
  // The first time, or a token that has run out.
  authorization_ = authorization(answer, base_, repository_, options_.credentials, http_);
  request.headers["Authorization"] = authorization_;
  ++requests_;
  return http_.send(request);
}

HttpResponse RegistryClient::ask(HttpRequest request) {
  bool reads = request.method == "GET" || request.method == "HEAD";
  for (int i = 0; i <= kMaxRedirects; ++i) {
    HttpResponse answer = ask_authorized(request);
    if (!redirects(answer.status)) return answer;
    if (!reads) break;
    Url next = resolve_url(request.url, wire_location(answer.header("location")));
    if (next.tls != request.url.tls) {
      throw Error(ErrorCode::kDenied,
                  fmt::format("{} redirects from {} to {}", place_,
                              request.url.tls ? "https" : "http", next.tls ? "https" : "http"),
                  "name the registry by the address it wants to be called");
    }
    request.url = next;
  }
  throw Error(ErrorCode::kInvalid,
              fmt::format("{} redirects {} {}", place_, reads ? "too often at" : "the upload",
                          printable(request.url.target)),
              "name the registry by the address it wants to be called");
}

// ---- manifests ------------------------------------------------------------------------------

std::optional<std::string> RegistryClient::find_manifest(const std::string& reference) {
  if (is_digest(reference)) {
    Digest::parse(reference);
  } else {
    check_tag(reference);
  }
  HttpRequest request;
  request.url = url("manifests/" + reference);
  request.headers["Accept"] = kManifestTypes;
  HttpResponse answer = ask(request);
  if (answer.status == 404) return std::nullopt;
  if (answer.status == 500) {
    throw Error(
        ErrorCode::kUnavailable,
        fmt::format("{} answered 500 to the question for {}{}", place_, reference, reason(answer)),
        "try again later; one that was killed while it took this manifest may hold it cut "
        "off: its operator takes that blob away");
  }
  if (answer.status != 200) refused(answer, "the question for " + reference);
  std::string said = answer.header("docker-content-digest"), is = sha256(answer.body).str();
  std::string wanted = is_digest(reference) ? reference : is;
  if (is != wanted || (is_digest(said) && said != is)) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{} gives {} with bytes {} and says they are {}", place_, reference, is,
                            said.empty() ? wanted : printable(said)),
                "the registry, or something before it, changes images: do not use it");
  }
  return answer.body;
}

std::string RegistryClient::manifest(const std::string& reference) {
  if (auto bytes = find_manifest(reference)) return *bytes;
  throw Error(ErrorCode::kNotFound, fmt::format("{} has no image {}", place_, reference),
              "`lockstep release push` brings it there");
}

std::string RegistryClient::image_manifest(const std::string& reference) {
  auto bytes = find_manifest(reference);
  if (!bytes) {
    throw Error(ErrorCode::kNotFound, fmt::format("{} has no image {}", place_, reference),
                "is the name right, and may this user read it?");
  }
  const std::string what = fmt::format("{} of {}", reference, place_);
  const Json document = parse_json(*bytes, what);
  if (!document.is_object()) throw Error(ErrorCode::kCorrupt, what + " is no manifest");
  const Json type = document.value("mediaType", Json());
  const bool index = type == kOciIndexType || type == kDockerListType ||
                     bytes->find("\"manifests\"") != std::string::npos;
  if (!index) return *bytes;
  const std::vector<OciDescriptor> all = parse_oci_index(*bytes, what).manifests;
  auto wanted = std::find_if(all.begin(), all.end(), [&](const OciDescriptor& one) {
    return one.platform == "linux/amd64" || all.size() == 1;
  });
  if (wanted == all.end()) {
    std::string platforms;
    for (const OciDescriptor& one : all) platforms += " " + printable(one.platform, 40);
    throw Error(ErrorCode::kNotFound, fmt::format("{} is no image for linux/amd64", what),
                "it has" + platforms + "; name the one you want by its digest");
  }
  return manifest(wanted->digest.str());
}

std::optional<Digest> RegistryClient::resolve(const std::string& reference) {
  auto bytes = find_manifest(reference);
  return bytes ? std::optional<Digest>(sha256(*bytes)) : std::nullopt;
}

void RegistryClient::put_manifest(const std::string& reference, const std::string& bytes,
                                  const Digest& digest) {
  HttpRequest request;
  request.method = "PUT";
  request.url = url("manifests/" + reference);
  request.headers["Content-Type"] = kOciManifestType;
  request.body = bytes;
  HttpResponse answer = ask(request);
  if (answer.status != 201) refused(answer, "the manifest " + reference);
  std::string now = answer.header("docker-content-digest");
  if (now.empty() || now == digest.str()) {  // its word alone is not enough
    std::optional<Digest> read = resolve(reference);
    now = read ? read->str() : "nothing";
  }
  if (now != digest.str()) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{} took {} and now gives {} for it, not {}", place_, reference,
                            printable(now, 100), digest.str()),
                "the registry, or something before it, changes images: do not use it");
  }
}

namespace {

[[noreturn]] void refuse_channel(const std::string& channel) {
  throw Error(ErrorCode::kInvalid,
              fmt::format("'{}' can't be a channel: it looks like a release's tag", channel),
              "name the channel otherwise");
}

}  // namespace

bool RegistryClient::point(const std::string& channel, const std::string& tag) {
  if (fixed_tag(channel)) refuse_channel(channel);
  check_tag(channel);
  std::string bytes = manifest(tag);
  Digest digest = sha256(bytes);
  if (resolve(channel) == digest) return false;
  put_manifest(channel, bytes, digest);
  return true;
}

// ---- blobs ----------------------------------------------------------------------------------

bool RegistryClient::has_blob(const OciDescriptor& blob) {
  HttpRequest request;
  request.method = "HEAD";
  request.url = url("blobs/" + blob.digest.str());
  HttpResponse answer = ask(request);
  if (answer.status == 404) return false;
  if (answer.status != 200) refused(answer, "the question for blob " + blob.digest.str());
  std::string size = answer.header("content-length");
  if (!size.empty() && size != std::to_string(blob.size)) {
    throw Error(ErrorCode::kCorrupt, fmt::format("{} has blob {} with {} bytes, not {}", place_,
                                                 blob.digest.str(), printable(size), blob.size));
  }
  return true;
}

UploadDoor RegistryClient::upload_door() {
  UploadDoor door;
  door.place = place_;
  door.start = url("blobs/uploads/");
  door.chunk_bytes = std::max<uint64_t>(options_.chunk_bytes, 1);
  door.ask = [this](HttpRequest request) { return ask(std::move(request)); };
  door.refused = [this](const HttpResponse& answer, const std::string& what) {
    refused(answer, what);
  };
  return door;
}

// What of it is not there comes: a base image's layers from the repository they came from, where
// that is at this registry. All else is begun as if it were taken over from this very repository:
// the registry that has it says so, and one that does not gives the place to send it to, so that
// asking and beginning are one request. Its word that it has it is not enough: HEAD tells the size.
void RegistryClient::send_blob(const Layout& layout, const OciDescriptor& blob,
                               const std::string& mount_from, PushReport& report) {
  const UploadDoor door = upload_door();
  BlobUpload upload(door, layout.blob_path(blob.digest), blob);
  const bool ours = blob.annotations.count(kLayerRecipe) > 0 || blob.media_type == kOciConfigType;
  if (!mount_from.empty() && !ours) {
    if (has_blob(blob)) return;
    if (upload.mount(mount_from)) {
      ++report.blobs_mounted;
      return;
    }
  } else if ((upload.mount(repository_) || !upload.begun()) && has_blob(blob)) {
    return;
  }
  upload.send();
  ++report.blobs_sent;
  report.bytes_sent += blob.size;
}

void RegistryClient::send_missing(const Layout& layout, const OciManifest& manifest,
                                  std::set<Digest> there, const std::string& mount_from,
                                  PushReport& report) {
  std::vector<OciDescriptor> blobs = manifest.layers;
  blobs.push_back(manifest.config);
  for (const OciDescriptor& blob : blobs) {
    if (there.insert(blob.digest).second) send_blob(layout, blob, mount_from, report);
  }
}

namespace {

// A registry keeps what its tags name, so these need not be asked for.
std::set<Digest> blobs_of(const std::optional<std::string>& manifest) {
  std::set<Digest> blobs;
  try {
    if (!manifest) return blobs;
    for (const OciDescriptor& layer : parse_oci_manifest(*manifest, "the channel's image").layers) {
      blobs.insert(layer.digest);
    }
  } catch (const Error&) {
    // Somebody else's image: of ours it has nothing.
  }
  return blobs;
}

}  // namespace

void RegistryClient::send_image(const Layout& layout, const std::string& tag,
                                const std::string& bytes, const std::set<Digest>& there,
                                const std::string& mount_from, PushReport& report) {
  const OciManifest manifest = parse_oci_manifest(bytes, "the manifest of " + tag);
  const int sent = report.blobs_sent;
  send_missing(layout, manifest, there, mount_from, report);
  // All that is its own was there: a push broke off behind its blobs. docker-registry 2.8, killed
  // while it took the manifest, says it has it ever after and gives a part of it; no tag may name
  // that, so it is read back by its digest first.
  if (report.blobs_sent == sent) put_manifest(report.image.str(), bytes, report.image);
  try {
    put_manifest(tag, bytes, report.image);
  } catch (const Error& error) {
    bool lacks = error.code == ErrorCode::kInvalid || error.code == ErrorCode::kNotFound;
    if (!lacks || there.empty()) throw;
    // It has lost a blob of an image that it has a tag for: all are asked for.
    send_missing(layout, manifest, {}, mount_from, report);
    put_manifest(tag, bytes, report.image);
  }
}

// Its layers are the image's, which are there by now.
void RegistryClient::send_modelpack(const Layout& layout, const std::string& tag,
                                    const std::string& image) {
  const OciManifest manifest = parse_oci_manifest(image, "the manifest of " + tag);
  const ModelPack pack = modelpack_of(
      manifest, parse_oci_config(layout.read_blob(manifest.config.digest), "its configuration"));
  const Digest digest = sha256(pack.manifest);
  if (resolve(tag + kModelPackSuffix) == digest) return;
  if (!has_blob(pack.config_blob)) {
    TempFolder folder;
    real_files().write_atomic(folder.path() / "config", pack.config);
    const UploadDoor door = upload_door();
    BlobUpload(door, folder.path() / "config", pack.config_blob).send();
  }
  put_manifest(tag + kModelPackSuffix, pack.manifest, digest);
}

PushReport RegistryClient::push(const fs::path& folder, const std::string& tag,
                                const std::string& channel, const std::string& mount_from) {
  if (!fixed_tag(tag)) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("'{}' is not the tag of a release", printable(tag)));
  }
  if (fixed_tag(channel)) refuse_channel(channel);
  Layout layout(folder);
  PushReport report;
  const int before = requests_;
  report.image = layout.at(tag).digest;
  std::string bytes = layout.read_blob(report.image);
  std::optional<Digest> there = resolve(tag);
  if (there && *there != report.image) {
    throw Error(ErrorCode::kConflict,
                fmt::format("tag {} is image {} at {}; it can't become {}", tag, there->str(),
                            place_, report.image.str()),
                "a fixed tag never moves; `lockstep release rebuild --reason` makes another");
  }
  report.was_there = there.has_value();
  std::optional<std::string> live;
  if (!channel.empty()) live = find_manifest(channel);
  if (!there) send_image(layout, tag, bytes, blobs_of(live), mount_from, report);
  if (options_.modelpack) send_modelpack(layout, tag, bytes);
  if (!channel.empty() && (!live || sha256(*live) != report.image)) {
    put_manifest(channel, bytes, report.image);
    report.moved = true;
  }
  report.requests = requests_ - before;
  return report;
}

// ---- reading back ---------------------------------------------------------------------------

std::string RegistryClient::get_blob(const OciDescriptor& blob, uint64_t max_bytes) {
  HttpRequest request;
  request.url = url("blobs/" + blob.digest.str());
  request.max_body = std::min(blob.size, max_bytes);
  HttpResponse answer = ask(request);
  if (answer.status != 200) refused(answer, "the question for blob " + blob.digest.str());
  if (sha256(answer.body) != blob.digest) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{} gives blob {} with other bytes", place_, blob.digest.str()));
  }
  return answer.body;
}

void RegistryClient::read_blob(const OciDescriptor& blob, const ByteSink& sink) {
  HttpRequest request;
  request.url = url("blobs/" + blob.digest.str());
  request.max_body = blob.size;
  Sha256 hash;
  request.sink = [&](std::string_view part) {
    hash.update(part);
    sink(part);
  };
  HttpResponse answer = ask(request);
  if (answer.status != 200) refused(answer, "the question for blob " + blob.digest.str());
  if (hash.finish() != blob.digest) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{} gives blob {} with other bytes", place_, blob.digest.str()),
                "the registry, or something before it, changes images: do not use it");
  }
}

ReleaseFiles RegistryClient::release(const std::string& tag) {
  OciManifest image = parse_oci_manifest(manifest(tag), fmt::format("{}:{}", place_, tag));
  if (image.layers.empty()) {
    throw Error(ErrorCode::kCorrupt, fmt::format("{}:{} has no layers", place_, tag));
  }
  return release_files(get_blob(image.layers.back(), kReleaseLayerLimit));
}

void RegistryClient::check_blob(const OciDescriptor& blob, const std::string& what, bool read_blobs,
                                std::vector<std::string>& problems) {
  if (!read_blobs) {
    if (!has_blob(blob))
      problems.push_back(fmt::format("{} {} is missing", what, blob.digest.str()));
    return;
  }
  HttpRequest request;
  request.url = url("blobs/" + blob.digest.str());
  request.max_body = blob.size;
  Sha256 hash;
  request.sink = [&](std::string_view part) { hash.update(part); };
  HttpResponse answer = ask(request);
  if (answer.status == 404) {
    problems.push_back(fmt::format("{} {} is missing", what, blob.digest.str()));
  } else if (answer.status != 200) {
    refused(answer, "the question for blob " + blob.digest.str());
  } else if (hash.finish() != blob.digest) {
    problems.push_back(fmt::format("{} {} has other bytes", what, blob.digest.str()));
  }
}

std::vector<std::string> RegistryClient::verify(const std::string& tag, const Digest& image,
                                                bool read_blobs) {
  std::vector<std::string> problems;
  // What is wrong with the image becomes a sentence; a registry that can't be asked stays an error.
  auto checked = [&](auto check) {
    try {
      check();
    } catch (const Error& e) {
      if (e.code != ErrorCode::kCorrupt && e.code != ErrorCode::kNotFound) throw;
      problems.push_back(e.message);
    }
  };
  checked([&] {
    Digest is = sha256(manifest(tag));
    if (is != image) {
      problems.push_back(fmt::format("{} is image {}, not {}", tag, is.str(), image.str()));
    }
  });
  checked([&] {
    OciManifest parts = parse_oci_manifest(manifest(image.str()), "the image's manifest");
    checked([&] { check_blob(parts.config, "configuration", read_blobs, problems); });
    for (const OciDescriptor& layer : parts.layers) {
      checked([&] { check_blob(layer, "layer", read_blobs, problems); });
    }
    if (!problems.empty() || parts.layers.empty() || !fixed_tag(tag)) return;
    check_release_files(release(tag), tag, problems);
  });
  return problems;
}

}  // namespace lockstep
