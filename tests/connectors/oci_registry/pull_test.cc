#include "connectors/oci_registry/pull.h"

#include <unistd.h>

#include <cstdlib>

#include "connectors/oci_layout/image.h"
#include "connectors/oci_layout/layers.h"
#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"
#include "tests/catch.h"
#include "tests/connectors/oci_layout/sample.h"
#include "tests/connectors/oci_registry/fake_registry.h"
#include "tests/connectors/oci_registry/server.h"

using namespace lockstep;

namespace {

// Its content is what follows from the rest, as that of a release is.
ImageSpec real_release(SampleStore& store, int count) {
  ImageSpec spec = sample_release(store, count);
  std::vector<FolderEntry> entries = {{"config.json", store.put("{}"), false, 0},
                                      {"vocabulary/words.txt", store.put("a b c"), true, 0}};
  spec.models[0].folder = true;
  spec.models[0].digest = store.put(folder_listing(entries));
  spec.code = {{"serve.py", store.put("print()"), true}};
  return spec;
}

void settle(ImageSpec& spec) {
  Json models = Json::object();
  for (const ImageModel& model : spec.models) models[model.name] = model.digest.str();
  spec.content =
      sha256(canonical_json({{"format", 1},
                             {"manifest", spec.manifest},
                             {"models", models},
                             {"base", spec.base ? Json(spec.base->manifest.str()) : Json()},
                             {"code", spec.code.empty() ? Json() : Json(code_digest(spec.code))}}));
}

// A base image of `layers` layers in a layout, as "base".
Digest base_image(const fs::path& folder, int layers) {
  LayoutWriter writer(folder);
  OciManifest manifest;
  OciConfig config;
  config.runtime = R"({"Env":["A=1"]})";
  for (int i = 0; i < layers; ++i) {
    std::string bytes;
    TarWriter tar([&](std::string_view part) { bytes += part; });
    tar.file("etc/base", fmt::format("layer {}", i));
    tar.finish();
    manifest.layers.push_back(writer.put(bytes, kOciLayerType));
    config.diff_ids.push_back(manifest.layers.back().digest);
  }
  manifest.config = writer.put(oci_bytes(config), kOciConfigType);
  OciDescriptor image = writer.put(oci_bytes(manifest), kOciManifestType);
  writer.set_ref("base", image);
  return image.digest;
}

void copy_there(const fs::path& folder, const std::string& place) {
  const std::string command =
      "skopeo copy -q --preserve-digests --dest-tls-verify=false oci:" + folder.string() +
      ":base docker://" + place + " >/dev/null";
  REQUIRE(std::system(command.c_str()) == 0);
}

RealRegistry& server() {
  static RealRegistry shared;
  return shared;
}

}  // namespace

TEST_CASE("references: a tag, a digest, or the usual one") {
  const std::string digest = sha256("x").str();
  CHECK(parse_image_reference("h:5000/a/b", "latest").reference == "latest");
  CHECK(parse_image_reference("h:5000/a/b:v1", "latest").place == "h:5000/a/b");
  CHECK(parse_image_reference("h:5000/a/b:v1", "latest").reference == "v1");
  CHECK(parse_image_reference("h.example/a@" + digest, "latest").reference == digest);
  CHECK(parse_image_reference("docker.io/library/debian", "latest").place ==
        "registry-1.docker.io/library/debian");
  for (const char* bad : {"", "debian", "h:5000", "h.example/A", "h.example/a:", "h.example/a:-x",
                          "h.example/a@sha256:1", "https://h.example/a", "h.example/../a"}) {
    INFO(bad);
    CHECK_THROWS_AS(parse_image_reference(bad, "latest"), Error);
  }
}

TEST_CASE("a release on a base image: pulled once, mounted on push, pulled back without it") {
  TempFolder base, layout;
  const Digest digest = base_image(base.path(), 2);
  copy_there(base.path(), server().place("base/python") + ":3");
  RegistryClient there(server().place("base/python"), {});
  CHECK(sha256(there.image_manifest("3")) == digest);
  pull_base(there, digest, layout.path());
  CHECK(Layout(layout.path()).at(base_ref(digest)).digest == digest);
  RegistryClient nowhere("127.0.0.1:1/a", {});
  pull_base(nowhere, digest, layout.path());  // it is there: nobody is asked

  SampleStore store;
  ImageSpec spec = real_release(store, 3);
  spec.base = BaseImage{layout.path(), digest};
  settle(spec);
  const Digest image = build_image(spec, store.reader(), layout.path());
  RegistryClient client(server().place("pull/on-base"), {});
  PushReport report = client.push(layout.path(), spec.tag, "production", "base/python");
  CHECK(report.blobs_mounted == 2);
  CHECK(client.verify(spec.tag, image).empty());

  TempFolder out;
  const Json pulled = pull_release(client, "production", out.path() / "models");
  CHECK(pulled.at("tag") == spec.tag);
  CHECK(pulled.at("image") == image.str());
  CHECK(pulled.at("content") == spec.content.str());
  CHECK(pulled.at("models").size() == 3);
  const fs::path root = out.path() / "models";
  CHECK(real_files().read(root / "models/intent-client-1/vocabulary/words.txt") == "a b c");
  CHECK(sha256(real_files().read(root / "models/intent-client-2/model.safetensors")) ==
        spec.models[1].digest);
  CHECK(real_files().read(root / "code/serve.py") == "print()");
  CHECK((fs::status(root / "code/serve.py").permissions() & fs::perms::owner_exec) !=
        fs::perms::none);
  CHECK(md5_hex(real_files().read(root / kManifestPath)) == spec.tag);
  CHECK_FALSE(fs::exists(root / "etc"));
  CHECK(std::distance(fs::directory_iterator(out.path()), {}) == 1);
  CHECK_THROWS_WITH(pull_release(client, image.str(), root),
                    Catch::Contains("not an empty folder"));
}

TEST_CASE("a release that is not what it says is not pulled, and leaves nothing") {
  SampleStore store;
  TempFolder layout, out;
  ImageSpec spec = real_release(store, 2);
  spec.content = sha256("something else");
  build_image(spec, store.reader(), layout.path());
  RegistryClient wrong(server().place("pull/content"), {});
  wrong.push(layout.path(), spec.tag, "production");
  CHECK_THROWS_WITH(pull_release(wrong, "production", out.path() / "m"),
                    Catch::Contains("calls its content"));
  settle(spec);
  TempFolder good;
  build_image(spec, store.reader(), good.path());
  RegistryClient client(server().place("pull/damaged"), {});
  client.push(good.path(), spec.tag);
  const OciManifest image = Layout(good.path()).manifest(Layout(good.path()).at(spec.tag));
  const fs::path blob = server().blob(image.layers[1].digest.hex());
  const std::string bytes = real_files().read(blob);
  std::string other = bytes;
  other[600] = static_cast<char>(other[600] ^ 1);
  real_files().write_atomic(blob, other);
  CHECK_THROWS_WITH(pull_release(client, spec.tag, out.path() / "m"),
                    Catch::Contains("with other bytes"));
  real_files().write_atomic(blob, bytes);
  CHECK_THROWS_WITH(pull_release(client, "staging", out.path() / "m"), Catch::Contains("no image"));
  CHECK(fs::is_empty(out.path()));
  CHECK(pull_release(client, spec.tag, out.path() / "m").at("files") == 7);
}

TEST_CASE("what a killed pull has left gets into no other, even of a process with its number") {
  SampleStore store;
  TempFolder layout, out;
  ImageSpec spec = real_release(store, 2);
  settle(spec);
  build_image(spec, store.reader(), layout.path());
  RegistryClient client(server().place("pull/after-a-kill"), {});
  client.push(layout.path(), spec.tag);
  const fs::path left = out.path() / fmt::format(".m.pull-{}", ::getpid());
  fs::create_directories(left / "rootfs/models");
  real_files().write_atomic(left / "rootfs/models/other", "of another release");
  pull_release(client, spec.tag, out.path() / "m");
  CHECK(fs::exists(out.path() / "m/models/intent-client-1"));
  CHECK_FALSE(fs::exists(out.path() / "m/models/other"));
}

TEST_CASE("a base image that would fill the disk, or is none, is refused before it is fetched") {
  TempFolder layout;
  OciManifest huge;
  huge.config = {kOciConfigType, sha256("c"), 1, {}};
  huge.layers = {{kOciLayerType, sha256("a"), 40ull << 30, {}},
                 {kOciLayerType, sha256("b"), ~0ull, {}}};
  std::string answer = oci_bytes(huge);
  FakeRegistry registry([&](const FakeRegistry::Request&, FakeRegistry::Response& to) {
    to.set_content(answer, kOciManifestType);
  });
  RegistryClient client(registry.place(), {});
  CHECK_THROWS_WITH(pull_base(client, sha256(answer), layout.path()),
                    Catch::Contains("over 64 GiB"));
  CHECK(registry.seen().size() == 1);
  for (const char* nonsense : {"[]", "5", "\"x\"", "null", "{\"mediaType\":[]}"}) {
    answer = nonsense;
    INFO(answer);
    CHECK_THROWS_AS(parse_oci_manifest(client.image_manifest("latest"), "it"), Error);
  }
}

TEST_CASE("base images: too many layers, several platforms, Docker's own words") {
  TempFolder base, layout;
  base_image(base.path(), 119);
  copy_there(base.path(), server().place("base/many") + ":1");
  RegistryClient many(server().place("base/many"), {});
  CHECK_THROWS_WITH(pull_base(many, sha256(many.image_manifest("1")), layout.path()),
                    Catch::Contains("119 layers, over 118"));

  OciManifest one;
  one.config = {kOciConfigType, sha256("c"), 1, {}};
  std::string manifest = oci_bytes(one), list;
  for (size_t at; (at = manifest.find(kOciManifestType)) != std::string::npos;) {
    manifest.replace(at, std::string(kOciManifestType).size(), kDockerManifestType);
  }
  auto entry = [&](const char* architecture, const std::string& bytes) {
    return Json{{"mediaType", kDockerManifestType},
                {"digest", sha256(bytes).str()},
                {"size", bytes.size()},
                {"platform", {{"os", "linux"}, {"architecture", architecture}}}};
  };
  Json index = {{"schemaVersion", 2},
                {"mediaType", kDockerListType},
                {"manifests", {entry("arm64", "other"), entry("amd64", manifest)}}};
  list = canonical_json(index);
  FakeRegistry registry([&](const FakeRegistry::Request& request, FakeRegistry::Response& answer) {
    const bool digest = request.path.find(sha256(manifest).hex()) != std::string::npos;
    answer.set_content(digest ? manifest : list, "x");
  });
  RegistryClient client(registry.place(), {});
  CHECK(client.image_manifest("latest") == manifest);
  CHECK(parse_oci_manifest(manifest, "m").config == one.config);
  index["manifests"] = {entry("arm64", "other"), entry("s390x", "another")};
  list = canonical_json(index);
  CHECK_THROWS_WITH(client.image_manifest("latest"), Catch::Contains("no image for linux/amd64"));
}
