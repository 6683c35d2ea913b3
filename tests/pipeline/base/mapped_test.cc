#include "pipeline/base/mapped.h"

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "tests/catch.h"

using namespace lockstep;

TEST_CASE("a mapped file: its bytes, nothing of an empty one, an error for a missing one") {
  TempFolder folder;
  std::string bytes(100'000, 'x');
  real_files().write_atomic(folder.path() / "full", bytes);
  real_files().write_atomic(folder.path() / "empty", "");
  MappedFile full(folder.path() / "full");
  CHECK(full.bytes() == bytes);
  MappedFile moved(std::move(full));
  CHECK(moved.bytes() == bytes);
  CHECK(full.bytes().empty());
  full = std::move(moved);
  CHECK(full.bytes().back() == 'x');
  CHECK(MappedFile(folder.path() / "empty").bytes().empty());
  try {
    MappedFile(folder.path() / "missing");
    FAIL("it is not there");
  } catch (const Error& e) {
    CHECK(e.code == ErrorCode::kNotFound);
    CHECK(e.message.find("missing") != std::string::npos);
  }
}
