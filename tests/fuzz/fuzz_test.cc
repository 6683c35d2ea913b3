// Every file of every corpus goes through its target: what fuzzing found stays found.
#include <algorithm>
#include <set>
#include <vector>

#include "pipeline/base/files.h"
#include "tests/catch.h"

#define FUZZ_TARGETS(X) \
  X(arrow)              \
  X(csv)                \
  X(frames) X(http) X(requests) X(safetensors) X(tar) X(webhook) X(workflow) X(workspace) X(yaml)

#define FUZZ_DECLARED(name) extern "C" int fuzz_##name(const uint8_t* data, size_t size);
FUZZ_TARGETS(FUZZ_DECLARED)

using namespace lockstep;

namespace {

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

void replay(const char* name, int (*target)(const uint8_t*, size_t)) {
  const std::vector<fs::path> files = entries(fs::path(LOCKSTEP_FUZZ_CORPUS) / name);
  CHECK(files.size() >= 3);
  CHECK(files.size() <= 200);
  for (const fs::path& file : files) {
    const std::string bytes = real_files().read(file);
    INFO(file.string());
    CHECK(bytes.size() <= 64u << 10);
    CHECK(target(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()) == 0);
  }
}

}  // namespace

#define FUZZ_REPLAYED(name)                 \
  TEST_CASE("fuzz: the corpus of " #name) { \
    replay(#name, fuzz_##name);             \
  }
FUZZ_TARGETS(FUZZ_REPLAYED)

TEST_CASE("fuzz: every corpus has a target") {
#define FUZZ_NAMED(name) #name,
  const std::set<std::string> targets = {FUZZ_TARGETS(FUZZ_NAMED)};
  for (const fs::path& folder : entries(LOCKSTEP_FUZZ_CORPUS)) {
    INFO(folder.string());
    CHECK(targets.count(folder.filename()) == 1);
  }
}
