#include "connectors/oci_layout/image.h"

#include <algorithm>

#include "connectors/oci_layout/layers.h"
#include "connectors/oci_layout/layout.h"
#include "connectors/oci_layout/verify.h"
#include "tests/catch.h"
#include "tests/connectors/oci_layout/sample.h"

using namespace lockstep;

namespace {

constexpr const char* kTag = "51796c70071bb3bf51e5a9cee12382cd";
constexpr const char* kTag2 = "1da281f01541e3eac0f2a91187cadb86";

std::vector<OciDescriptor> layers(const fs::path& folder, const std::string& tag) {
  Layout layout(folder);
  return layout.manifest(layout.at(tag)).layers;
}

}  // namespace

TEST_CASE("the same release is the same image, everywhere: golden digest") {
  SampleStore store;
  ImageSpec spec = sample_release(store);
  CHECK(spec.tag == kTag);
  TempFolder a, b;
  Digest image = build_image(spec, store.reader(), a.path());
  CHECK(image.hex() == "62befd5ec7428f428676ac2cb670918c6ad272f0a800e290356e3873b307c610");
  std::reverse(spec.models.begin(), spec.models.end());
  CHECK(build_image(spec, store.reader(), b.path()) == image);
  CHECK(build_image(spec, store.reader(), b.path()) == image);
  CHECK(verify_layout(a.path(), kTag).empty());
}

TEST_CASE("models lie in their bins, in order, and the release last") {
  SampleStore store;
  TempFolder folder;
  ImageSpec spec = sample_release(store);
  build_image(spec, store.reader(), folder.path());
  Layout layout(folder.path());
  std::vector<OciDescriptor> all = layers(folder.path(), kTag);
  std::set<int> bins{model_bin(store.put("trunk weights").str())};
  for (const ImageModel& m : spec.models) bins.insert(model_bin(m.name));
  REQUIRE(all.size() == bins.size() + 1);
  size_t at = std::distance(bins.begin(), bins.find(model_bin("intent-client-3")));
  std::string layer = layout.read_blob(all[at].digest);
  CHECK(find_in_tar(layer, "models/intent-client-3/model.safetensors").value() ==
        "weights of intent-client-3 at 1");
  std::string last = layout.read_blob(all.back().digest);
  CHECK(find_in_tar(last, "lockstep/manifest.json").value() == spec.manifest);
  Json release = parse_json(read_release(folder.path(), kTag).release, "release.json");
  Json model = release["models"]["intent-client-3"];
  CHECK(model["version"] == 1);
  CHECK(model["digest"] == spec.models[2].digest.str());
  CHECK(model["upstreams"][0]["path"] == "upstreams/sha256/" + sha256("trunk weights").hex());
  OciConfig config =
      parse_oci_config(layout.read_blob(layout.manifest(layout.at(kTag)).config.digest), "config");
  CHECK(config.labels["org.opencontainers.image.version"] == kTag);
  CHECK(config.labels["dev.lockstep.manifest.sha256"] == sha256(spec.manifest).hex());
  CHECK(config.diff_ids.size() == all.size());
}

TEST_CASE("one changed model costs its bin and the release's layer, and reads no other model") {
  SampleStore store;
  TempFolder folder;
  ImageSpec one = sample_release(store, 60);
  build_image(one, store.reader(), folder.path());
  store.reads.clear();
  ImageSpec two = sample_release(store, 60, {{3, 2}});
  build_image(two, store.reader(), folder.path());
  std::vector<OciDescriptor> a = layers(folder.path(), one.tag), b = layers(folder.path(), two.tag);
  REQUIRE(a.size() == b.size());
  size_t changed = 0;
  for (size_t i = 0; i < a.size(); ++i) changed += a[i] != b[i];
  CHECK(changed == 2);
  for (const ImageModel& m : two.models) {
    if (model_bin(m.name) != model_bin("intent-client-3")) CHECK(store.reads.count(m.digest) == 0);
  }
  CHECK(store.reads[two.models[2].digest] == 1);
  CHECK(verify_layout(folder.path(), two.tag).empty());
}

TEST_CASE("a folder model is laid out as its files; executables stay so") {
  SampleStore store;
  TempFolder folder;
  Json listing = {{"adapter_config.json", store.put("{}").str(), false},
                  {"bin/tokenize", store.put("#!").str(), true}};
  ImageSpec spec = sample_release(store, 1);
  spec.models[0].digest = store.put(canonical_json(listing));
  spec.models[0].folder = true;
  build_image(spec, store.reader(), folder.path());
  bool found = false;
  for (const OciDescriptor& d : layers(folder.path(), spec.tag)) {
    std::string tar = Layout(folder.path()).read_blob(d.digest);
    auto script = find_in_tar(tar, "models/intent-client-1/bin/tokenize");
    found = found || (script && *script == "#!" && tar.find("0000755") != std::string::npos);
  }
  CHECK(found);
  for (const char* bad : {"../x", "/etc/passwd", "a/.wh.b", ""}) {
    spec.models[0].digest = store.put(canonical_json({{bad, store.put("{}").str(), false}}));
    CHECK_THROWS_AS(build_image(spec, store.reader(), folder.path()), Error);
  }
  for (const char* bad :
       {"{}", "[1]", R"([["a"]])", R"([["a","sha256:1",false]])", R"([["a",1,2]])"}) {
    spec.models[0].digest = store.put(bad);
    INFO(bad);
    CHECK_THROWS_AS(build_image(spec, store.reader(), folder.path()), Error);
  }
}

TEST_CASE("a base image's layers and run configuration come first; over 120 layers are refused") {
  SampleStore store;
  TempFolder base, folder;
  auto make_base = [&](int count) {
    LayoutWriter writer(base.path());
    OciManifest manifest;
    OciConfig config;
    config.runtime = R"({"Entrypoint":["/serve"]})";
    for (int i = 0; i < count; ++i) {
      manifest.layers.push_back(writer.put(fmt::format("layer {}", i), kOciLayerType));
      config.diff_ids.push_back(manifest.layers.back().digest);
    }
    manifest.config = writer.put(oci_bytes(config), kOciConfigType);
    return writer.put(oci_bytes(manifest), kOciManifestType).digest;
  };
  ImageSpec spec = sample_release(store, 3);
  spec.base = BaseImage{base.path(), make_base(2)};
  spec.code = {{"serve.py", store.put("print()"), false}};
  build_image(spec, store.reader(), folder.path());
  Layout layout(folder.path());
  OciManifest manifest = layout.manifest(layout.at(spec.tag));
  CHECK(layout.read_blob(manifest.layers[1].digest) == "layer 1");
  CHECK(find_in_tar(layout.read_blob(manifest.layers[2].digest), "code/serve.py").has_value());
  OciConfig config = parse_oci_config(layout.read_blob(manifest.config.digest), "config");
  CHECK(config.runtime == R"({"Entrypoint":["/serve"]})");
  CHECK(verify_layout(folder.path(), spec.tag).empty());
  size_t own = manifest.layers.size() - 2;
  TempFolder another;
  spec.base->manifest = make_base(static_cast<int>(120 - own));
  CHECK_NOTHROW(build_image(spec, store.reader(), another.path()));
  spec.base->manifest = make_base(static_cast<int>(121 - own));
  CHECK_THROWS_WITH(build_image(spec, store.reader(), another.path()),
                    Catch::Contains("121 layers, over 120"));
}

TEST_CASE("a spec that contradicts itself builds nothing") {
  SampleStore store;
  TempFolder folder;
  auto refused = [&](auto change, const char* why) {
    ImageSpec spec = sample_release(store, 2);
    change(spec);
    CHECK_THROWS_WITH(build_image(spec, store.reader(), folder.path()), Catch::Contains(why));
  };
  refused([](ImageSpec& s) { s.tag = kTag2; }, "does not follow");
  refused([](ImageSpec& s) { s.tag += "-00000000"; }, "does not follow");
  refused([](ImageSpec& s) { s.models[0].version = 2; }, "not those of its manifest");
  refused([](ImageSpec& s) { s.models.pop_back(); }, "not those of its manifest");
  refused([](ImageSpec& s) { s.models[1] = s.models[0]; }, "twice");
  refused([](ImageSpec& s) { s.models[0].file_name = "../../x"; }, "slash");
  refused([](ImageSpec& s) { s.models[0].file_name = ".."; }, "'..'");
  refused([](ImageSpec& s) { s.title = ""; }, "name");
  refused([](ImageSpec& s) { s.models[0].digest = sha256("elsewhere"); }, "not stored");
  CHECK(read_index(folder.path()).empty());
  ImageSpec spec = sample_release(store, 2);
  spec.tag += "-" + spec.content.hex().substr(0, 8);
  CHECK_NOTHROW(build_image(spec, store.reader(), folder.path()));
  CHECK(verify_layout(folder.path(), spec.tag).empty());
}

TEST_CASE("bytes that are not their digest never enter an image") {
  SampleStore store;
  TempFolder folder;
  ImageSpec spec = sample_release(store, 2);
  real_files().write_atomic(store.path(spec.models[1].digest), "something else, longer or not");
  CHECK_THROWS_WITH(build_image(spec, store.reader(), folder.path()),
                    Catch::Contains("models/intent-client-2") && Catch::Contains("are not"));
  CHECK(read_index(folder.path()).empty());
}

TEST_CASE("a tag that means another image is refused, showing both") {
  SampleStore store;
  TempFolder folder;
  ImageSpec spec = sample_release(store, 2);
  Digest first = build_image(spec, store.reader(), folder.path());
  spec.code = {{"serve.py", store.put("print()"), false}};
  try {
    build_image(spec, store.reader(), folder.path());
    FAIL("the tag moved");
  } catch (const Error& e) {
    CHECK(e.code == ErrorCode::kConflict);
    CHECK_THAT(e.message, Catch::Contains(first.str()) && Catch::Contains("can't become sha256:"));
  }
  CHECK(Layout(folder.path()).at(spec.tag).digest == first);
}
