#include "pipeline/base/digest.h"

#include <unistd.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "tests/catch.h"

using namespace lockstep;

TEST_CASE("hashes give their published vectors") {
  CHECK(sha256("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 parts;
  parts.update("a");
  parts.update("bc");
  CHECK(parts.finish() == sha256("abc"));
  CHECK(md5_hex("abc") == "900150983cd24fb0d6963f7d28e17f72");
  std::array<uint8_t, 64> stream;
  chacha20_stream(Digest{}, stream);  // RFC 8439 A.1, test vector 1
  CHECK(hex(stream).substr(0, 32) == "76b8e0ada0f13d90405d6ae55386bd28");
}

TEST_CASE("a digest reads what it prints and refuses the rest") {
  Digest d = sha256("x");
  CHECK(Digest::parse(d.str()) == d);
  CHECK(Digest::parse(d.hex()) == d);
  CHECK_THROWS_AS(Digest::parse(d.hex().substr(1)), Error);
  CHECK_THROWS_AS(Digest::parse("sha256:" + std::string(64, 'G')), Error);
}

TEST_CASE("an atomic write is whole, and a lock names its owner") {
  TempFolder folder;
  real_files().write_atomic(folder.path() / "a/b", "one");
  real_files().write_atomic(folder.path() / "a/b", "two");
  CHECK(real_files().read(folder.path() / "a/b") == "two");
  CHECK_THROWS_AS(real_files().read(folder.path() / "a/b", 2), Error);
  CHECK_THROWS_AS(real_files().read(folder.path() / "none"), Error);
  CHECK(FileLock::owner(folder.path() / "lock") == 0);
  FileLock lock(folder.path() / "lock", "the workspace");
  CHECK(FileLock::owner(folder.path() / "lock") == getpid());
  CHECK_THROWS_WITH(FileLock(folder.path() / "lock", "the workspace"),
                    Catch::Contains("in use by process " + std::to_string(getpid())));
}

TEST_CASE("times are read and written as RFC 3339") {
  CHECK(rfc3339(parse_time("2026-03-03T14:00:00Z")) == "2026-03-03T14:00:00Z");
  CHECK(parse_time("2026-03-03 14:00") == parse_time("2026-03-03T16:00:00+02:00"));
  CHECK(rfc3339(parse_time("2026-03-03T14:00:00.250Z")) == "2026-03-03T14:00:00.250Z");
  for (const char* bad :
       {"", "yesterday", "2026-13-01", "2026-03-03T25:00", "2026-03-03X", "2026-02-31"}) {
    CHECK_THROWS_AS(parse_time(bad), Error);
  }
  for (const char* good : {"2024-02-29", "2016-12-31T23:59:60Z"}) {
    CHECK_NOTHROW(parse_time(good));
  }
}
