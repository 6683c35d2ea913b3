#include "pipeline/runner/blobs.h"

#include <sys/stat.h>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/runner/machine.h"
#include "pipeline/runner/workspace.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

struct Store {
  explicit Store(uint64_t cache_bytes) : blobs(temp.path() / "blobs", cache_bytes, false) {}
  Digest put(const std::string& bytes) {
    Digest digest = sha256(bytes);
    Upload upload(temp.path(), digest, bytes.size());
    REQUIRE(upload.add(0, bytes, blobs));
    return digest;
  }
  TempFolder temp;
  Blobs blobs;
};

}  // namespace

TEST_CASE("a blob arrives in pieces and is checked") {
  Store store(1000);
  Digest digest = sha256("abcdef");
  Upload upload(store.temp.path(), digest, 6);
  CHECK_FALSE(upload.add(0, "abc", store.blobs));
  CHECK_FALSE(store.blobs.has(digest));
  CHECK_THROWS_AS(upload.add(4, "ef", store.blobs), Error);
  CHECK_THROWS_AS(upload.add(3, "defg", store.blobs), Error);
  CHECK(upload.add(3, "def", store.blobs));
  CHECK(store.blobs.size(digest) == 6);
  CHECK(real_files().read(store.blobs.path(digest)) == "abcdef");
}

TEST_CASE("other bytes than announced are refused") {
  Store store(1000);
  Digest digest = sha256("abc");
  {
    Upload upload(store.temp.path(), digest, 3);
    CHECK_THROWS_AS(upload.add(0, "abd", store.blobs), Error);
  }
  CHECK_FALSE(store.blobs.has(digest));
  CHECK(fs::is_empty(store.temp.path() / "blobs"));
}

TEST_CASE("what nobody needs any more stays as a bounded cache") {
  Store store(5);
  Digest a = store.put("aaa"), b = store.put("bbb");
  store.blobs.hold(a);
  store.blobs.hold(a);
  store.blobs.hold(b);
  store.blobs.release(a);
  store.blobs.release(b);
  CHECK(store.blobs.has(a));
  store.blobs.release(a);  // now 6 bytes are unneeded: the one that was released first goes
  CHECK(store.blobs.has(a));
  CHECK_FALSE(store.blobs.has(b));
  CHECK_FALSE(fs::exists(store.blobs.path(b)));
  CHECK_THROWS_AS(store.blobs.hold(b), Error);
  store.blobs.hold(a);
  Digest c = store.put("ccccccccc");
  store.blobs.hold(c);
  store.blobs.release(c);
  CHECK(store.blobs.has(a));
  CHECK_FALSE(store.blobs.has(c));
}

TEST_CASE("after a power loss blobs that do not match are dropped") {
  TempFolder temp;
  Digest good = sha256("good"), bad = sha256("bad");
  real_files().write_atomic(temp.path() / good.hex(), "good");
  real_files().write_atomic(temp.path() / bad.hex(), "");
  real_files().write_atomic(temp.path() / "stray", "x");
  Blobs blobs(temp.path(), 100, true);
  CHECK(blobs.has(good));
  CHECK_FALSE(blobs.has(bad));
  CHECK_FALSE(fs::exists(temp.path() / "stray"));
}

TEST_CASE("a tree goes whatever its permissions") {
  TempFolder temp;
  fs::path folder = temp.path() / "t";
  real_files().write_atomic(folder / "a" / "b" / "c", "x");
  fs::create_symlink("/etc", folder / "a" / "link");
  chmod((folder / "a" / "b").c_str(), 0);
  chmod((folder / "a").c_str(), 0500);
  remove_tree(folder);
  CHECK_FALSE(fs::exists(folder));
  CHECK(fs::exists("/etc/passwd"));
}

TEST_CASE("GPUs are read from the driver's tool") {
  auto gpus =
      parse_gpus("0, NVIDIA H200, 143771\nNo devices\n1, Name, with comma, 24\n2, X, [N/A]");
  REQUIRE(gpus.size() == 2);
  CHECK(gpus[0].name == "NVIDIA H200");
  CHECK(gpus[0].memory_bytes == 143771ull << 20);
  CHECK(gpus[1].name == "Name, with comma");
  CHECK(gpus[1].index == "1");
  CHECK(find_machine(false).cpus >= 1);
  CHECK(find_machine(false).memory_bytes > 1 << 20);
}
