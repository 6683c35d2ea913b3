#include "connectors/oci_layout/layout.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "connectors/oci_layout/verify.h"
#include "tests/catch.h"
#include "tests/connectors/oci_layout/sample.h"

using namespace lockstep;

namespace {

struct Two {
  SampleStore store;
  TempFolder folder;
  ImageSpec one = sample_release(store), two = sample_release(store, 8, {{3, 2}});
  Digest first = build_image(one, store.reader(), folder.path());
  Digest second = build_image(two, store.reader(), folder.path());
  fs::path path() const { return folder.path(); }
};

int run(const std::string& command) {
  return std::system((command + " 2>&1").c_str());
}

}  // namespace

TEST_CASE("several releases share a folder; a channel's name moves between them") {
  Two t;
  set_ref(t.path(), "production", t.one.tag);
  CHECK(Layout(t.path()).at("production").digest == t.first);
  set_ref(t.path(), "production", t.two.tag);
  CHECK(Layout(t.path()).at("production").digest == t.second);
  CHECK(read_index(t.path()).size() == 3);
  CHECK_THROWS_WITH(set_ref(t.path(), "production", "nothing"), Catch::Contains("no image"));
  CHECK_THROWS_WITH(set_ref(t.path(), t.one.tag, t.two.tag), Catch::Contains("can't be a channel"));
  CHECK_THROWS_AS(set_ref(t.path(), "a/b", t.two.tag), Error);
  CHECK(verify_layout(t.path(), "production").empty());
}

TEST_CASE("an index never grows beyond what can be read again") {
  TempFolder folder;
  LayoutWriter writer(folder.path());
  OciIndex index;
  for (int i = 0; i < 10'000; ++i) {
    index.manifests.push_back(
        {kOciManifestType, sha256("m"), 1, {{kOciRefName, md5_hex(std::to_string(i))}}});
  }
  real_files().write_atomic(folder.path() / "index.json", oci_bytes(index));
  const OciDescriptor image = index.manifests[0];
  CHECK_THROWS_WITH(writer.set_ref("production", image), Catch::Contains("too many images"));
  CHECK(writer.layout().refs().size() == 10'000);
  writer.drop_refs([](const std::string& ref) { return ref == md5_hex("7"); });
  writer.set_ref("production", image);
  CHECK(writer.layout().at("production").digest == image.digest);
}

TEST_CASE("prune keeps what kept images need and nothing else") {
  Two t;
  real_files().write_atomic(t.path() / "blobs/sha256/left-by-a-crash", "1234567");
  CHECK(prune(t.path(), {t.one.tag, t.two.tag}) == 7);
  CHECK(verify_layout(t.path(), t.one.tag).empty());
  CHECK(prune(t.path(), {t.two.tag}) > 0);
  CHECK(verify_layout(t.path(), t.two.tag).empty());
  CHECK(read_index(t.path()).size() == 1);
  CHECK(prune(t.path(), {t.two.tag}) == 0);
  // What was pruned can be built again, as the same image.
  CHECK(build_image(t.one, t.store.reader(), t.path()) == t.first);
}

TEST_CASE("one writer at a time, and the rest of a crash is swept") {
  Two t;
  real_files().write_atomic(t.path() / ".lockstep-tmp/blob", "half a layer");
  {
    LayoutWriter writer(t.path());
    CHECK_THROWS_AS(LayoutWriter(t.path()), Error);
    CHECK_FALSE(fs::exists(t.path() / ".lockstep-tmp/blob"));
  }
  CHECK_FALSE(fs::exists(t.path() / ".lockstep-tmp"));
  real_files().write_atomic(t.path() / "oci-layout", R"({"imageLayoutVersion":"2.0.0"})");
  CHECK_THROWS_WITH(LayoutWriter(t.path()), Catch::Contains("version 1.0.0"));
}

TEST_CASE("a process that dies while building leaves the images that were there") {
  Two t;
  ImageSpec three = sample_release(t.store, 8, {{1, 2}, {2, 2}, {4, 5}});
  TempFolder whole;
  Digest image = build_image(three, t.store.reader(), whole.path());
  for (int survives : {0, 1, 2}) {
    pid_t child = fork();
    if (child == 0) {
      int reads = 0;
      BlobPath dying = [&](const Digest& digest) {
        if (reads++ == survives) _exit(9);
        return t.store.path(digest);
      };
      build_image(three, dying, t.path());
      _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WEXITSTATUS(status) == 9);
    CHECK(read_index(t.path()).size() == 2);
    CHECK(verify_layout(t.path(), t.one.tag).empty());
    CHECK(verify_layout(t.path(), t.two.tag).empty());
  }
  CHECK(build_image(three, t.store.reader(), t.path()) == image);
  CHECK(verify_layout(t.path(), three.tag).empty());
}

TEST_CASE("verify names every kind of damage") {
  Two t;
  Layout layout(t.path());
  OciManifest manifest = layout.manifest(layout.at(t.one.tag));
  auto damaged = [&](const Digest& blob, const std::string& bytes, const char* why) {
    std::string good = real_files().read(layout.blob_path(blob));
    real_files().write_atomic(layout.blob_path(blob), bytes);
    std::vector<std::string> problems = verify_layout(t.path(), t.one.tag);
    REQUIRE(problems.size() == 1);
    CHECK_THAT(problems[0], Catch::Contains(why));
    real_files().write_atomic(layout.blob_path(blob), good);
  };
  std::string layer = layout.read_blob(manifest.layers[0].digest);
  damaged(manifest.layers[0].digest, layer.substr(1), "bytes, not");
  layer[600] ^= 1;
  damaged(manifest.layers[0].digest, layer, "has other bytes");
  damaged(manifest.config.digest, "{}", "configuration");
  damaged(t.first, "{}", "manifest");
  real_files().remove(layout.blob_path(manifest.layers[1].digest));
  CHECK_THAT(verify_layout(t.path(), t.one.tag).at(0), Catch::Contains("is missing"));
  CHECK_THAT(verify_layout(t.path(), "none").at(0), Catch::Contains("no image"));
  CHECK(build_image(t.one, t.store.reader(), t.path()) == t.first);
  CHECK(verify_layout(t.path(), t.one.tag).empty());
}

TEST_CASE("verify does not stop at the first damage") {
  Two t;
  Layout layout(t.path());
  OciManifest manifest = layout.manifest(layout.at(t.one.tag));
  REQUIRE(manifest.layers.size() > 1);
  std::string wrong = layout.read_blob(manifest.layers[0].digest);
  wrong[600] ^= 1;
  real_files().write_atomic(layout.blob_path(manifest.layers[0].digest), wrong);
  std::string last = layout.read_blob(manifest.layers.back().digest);
  real_files().write_atomic(layout.blob_path(manifest.layers.back().digest), last + "x");
  std::vector<std::string> problems = verify_layout(t.path(), t.one.tag);
  REQUIRE(problems.size() == 2);
  real_files().write_atomic(layout.blob_path(manifest.config.digest), "{}");
  CHECK(verify_layout(t.path(), t.one.tag).size() == 3);
  real_files().write_atomic(layout.blob_path(manifest.layers.back().digest), last);
  CHECK(verify_layout(t.path(), t.one.tag).size() == 2);
}

TEST_CASE("verify sees a tag whose documents say something else") {
  Two t;
  Layout layout(t.path());
  ReleaseFiles files = read_release(t.path(), t.one.tag);
  std::vector<std::string> problems;
  check_release_files(files, t.one.tag, problems);
  CHECK(problems.empty());
  check_release_files(files, t.two.tag, problems);
  CHECK(problems.size() == 2);
  problems.clear();
  files.release = read_release(t.path(), t.two.tag).release;
  check_release_files(files, t.one.tag, problems);
  CHECK(problems.size() == 2);
  files.release = "{}";
  problems.clear();
  check_release_files(files, t.one.tag, problems);
  CHECK(problems.size() == 1);
}

TEST_CASE("a hostile index or manifest is an error, not a crash") {
  Two t;
  for (const char* bad :
       {"", "{}", "[]", R"({"schemaVersion":2,"manifests":[{"digest":"../../x"}]})"}) {
    real_files().write_atomic(t.path() / "index.json", bad);
    CHECK_THROWS_AS(read_index(t.path()), Error);
    CHECK(verify_layout(t.path(), t.one.tag).size() == 1);
  }
}

TEST_CASE("skopeo and umoci read the folder") {
  if (run("command -v skopeo umoci >/dev/null") != 0) {
    WARN("skopeo or umoci is not installed");
    return;
  }
  Two t;
  set_ref(t.path(), "production", t.two.tag);
  TempFolder out;
  std::string at = "oci:" + t.path().string() + ":", to = out.path().string();
  for (const std::string& ref : {t.one.tag, t.two.tag, std::string("production")}) {
    REQUIRE(run("skopeo inspect " + at + ref + " > " + to + "/" + ref) == 0);
  }
  Json seen = parse_json(real_files().read(out.path() / "production"), "skopeo");
  CHECK(seen["Digest"] == t.second.str());
  CHECK(seen["Labels"]["org.opencontainers.image.version"] == t.two.tag);
  CHECK(seen["Created"] == "1970-01-01T00:00:00Z");
  REQUIRE(run("skopeo copy -q --preserve-digests " + at + t.one.tag + " oci:" + to + "/copy:x") ==
          0);
  CHECK(Layout(out.path() / "copy").at("x").digest == t.first);
  CHECK(verify_layout(out.path() / "copy", "x").empty());
  REQUIRE(run("umoci unpack --rootless --image " + t.path().string() + ":production " + to +
              "/bundle > " + to + "/log") == 0);
  fs::path root = out.path() / "bundle/rootfs";
  CHECK(real_files().read(root / "models/intent-client-3/model.safetensors") ==
        "weights of intent-client-3 at 2");
  CHECK(real_files().read(root / "lockstep/manifest.json") == t.two.manifest);
  CHECK(real_files().read(root / "upstreams/sha256" / sha256("trunk weights").hex()) ==
        "trunk weights");
}
