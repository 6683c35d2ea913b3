#include "pipeline/formats/oci.h"

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

OciManifest sample() {
  OciManifest m;
  m.config = {kOciConfigType, sha256("config"), 6, {}};
  m.layers = {{kOciLayerType, sha256("layer"), 5, {{"k", "v"}}}};
  m.annotations = {{"a", "b"}};
  return m;
}

}  // namespace

TEST_CASE("documents read back what they write") {
  OciManifest m = parse_oci_manifest(oci_bytes(sample()), "m");
  CHECK(m.config == sample().config);
  CHECK(m.layers == sample().layers);
  CHECK(m.annotations == sample().annotations);
  OciIndex index{{m.config, m.layers[0]}};
  CHECK(parse_oci_index(oci_bytes(index), "i").manifests == index.manifests);
  OciConfig config;
  config.diff_ids = {sha256("a"), sha256("b")};
  config.history = {"one", "two"};
  config.labels = {{"l", "m"}};
  config.runtime = R"({"Cmd":["/serve"],"Env":["A=1"]})";
  OciConfig read = parse_oci_config(oci_bytes(config), "c");
  CHECK(oci_bytes(read) == oci_bytes(config));
  CHECK(read.runtime == config.runtime);
}

TEST_CASE("a manifest has these bytes") {
  CHECK(oci_bytes(sample()) ==
        R"({"annotations":{"a":"b"},"config":{"digest":"sha256:)" + sha256("config").hex() +
            R"(","mediaType":"application/vnd.oci.image.config.v1+json","size":6},"layers":)"
            R"([{"annotations":{"k":"v"},"digest":"sha256:)" +
            sha256("layer").hex() +
            R"(","mediaType":"application/vnd.oci.image.layer.v1.tar","size":5}],)"
            R"("mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2})");
}

TEST_CASE("broken documents are corrupt, and say which") {
  std::string good = oci_bytes(sample());
  for (size_t n = 0; n < good.size(); ++n) {
    REQUIRE_THROWS_AS(parse_oci_manifest(good.substr(0, n), "m"), Error);
  }
  auto with = [&](const char* key, Json value) {
    Json json = parse_json(good, "m");
    json[key] = value;
    return json.dump();
  };
  Json layer = {{"mediaType", "x"}, {"digest", sha256("").str()}, {"size", -1}};
  for (const std::string& bad :
       {with("schemaVersion", 1), with("mediaType", kOciIndexType), with("mediaType", 7),
        with("layers", 3), with("layers", {{"a", 1}}), with("layers", Json::array({layer})),
        with("config", nullptr), with("annotations", {{"a", 1}}), std::string("[]"),
        std::string("null"), std::string(kOciDocumentLimit + 1, ' ')}) {
    try {
      parse_oci_manifest(bad, "manifest of 5179");
      FAIL("accepted " << bad.substr(0, 200));
    } catch (const Error& e) {
      CHECK(e.code == ErrorCode::kCorrupt);
      CHECK_THAT(e.message, Catch::Contains("manifest of 5179"));
    }
  }
  Json config = {{"architecture", "amd64"},
                 {"os", "linux"},
                 {"config", nullptr},
                 {"rootfs", {{"diff_ids", Json::array({"md5:1"})}}}};
  CHECK_THROWS_AS(parse_oci_config(config.dump(), "c"), Error);
}

TEST_CASE("bins follow from names alone") {
  // First 8 bytes of SHA-256("abc"): ba7816bf8f01cfea.
  CHECK(model_bin("abc") == 0xba7816bf8f01cfeaull % 100);
  CHECK(model_bin("intent-client-1") == 29);
  CHECK(model_bin("intent-client-3") == 72);
}

TEST_CASE("tags: which are good, which never move") {
  CHECK(fixed_tag("51796c70071bb3bf51e5a9cee12382cd"));
  CHECK(fixed_tag("51796c70071bb3bf51e5a9cee12382cd-0123abcd"));
  CHECK_FALSE(fixed_tag("production"));
  CHECK_FALSE(fixed_tag("51796C70071bb3bf51e5a9cee12382cd"));
  CHECK_FALSE(fixed_tag("51796c70071bb3bf51e5a9cee12382cd_0123abcd"));
  CHECK_NOTHROW(check_tag("production"));
  CHECK_NOTHROW(check_tag(std::string(128, 'a')));
  for (const std::string& bad : {std::string(), std::string("a/b"), std::string("-a"),
                                 std::string("a~b"), std::string(129, 'a'), std::string("a\n")}) {
    CHECK_THROWS_AS(check_tag(bad), Error);
  }
}
