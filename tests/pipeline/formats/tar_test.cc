#include "pipeline/formats/tar.h"

#include <cstdlib>
#include <fstream>

#include "pipeline/base/digest.h"
#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

struct Archive {
  std::string bytes;
  TarWriter writer{[this](std::string_view part) { bytes += part; }};
};

std::string small_archive() {
  Archive a;
  a.writer.file("a-b", "x");
  a.writer.file("a/b", "hello", true);
  a.writer.file("a/c/d", std::string(512, 'z'));
  a.writer.finish();
  return a.bytes;
}

}  // namespace

TEST_CASE("an archive is its content: golden bytes") {
  std::string bytes = small_archive();
  // Headers of a-b, a/, a/b, a/c/, a/c/d; contents of 1, 5 and 512 bytes; the end.
  CHECK(bytes.size() == 512 * (5 + 3 + 2));
  CHECK(sha256(bytes).hex() == "1d5e3e3e2e067f8f7958c0f91544cfc8ff3f1a89639e86a208e63d0df4b7b3ac");
  CHECK(bytes == small_archive());
  Archive a;
  a.writer.begin_file("a-b", 1, false);
  a.writer.write("x");
  a.writer.file("a/b", "hello", true);
  a.writer.begin_file("a/c/d", 512, false);
  for (int i = 0; i < 512; ++i) a.writer.write("z");
  a.writer.finish();
  CHECK(a.bytes == bytes);
}

TEST_CASE("tar itself lists names, modes, times and owners") {
  TempFolder folder;
  std::string deep = "models/" + std::string(130, 'd') + "/tür.txt";
  Archive a;
  a.writer.file("a/run", "#!", true);
  a.writer.file(deep, "long");
  a.writer.file("z", "");
  a.writer.finish();
  real_files().write_atomic(folder.path() / "t.tar", a.bytes);
  std::string list = (folder.path() / "list").string();
  std::string command = "TZ=UTC LC_ALL=C.UTF-8 tar --numeric-owner --full-time -tvf " +
                        (folder.path() / "t.tar").string() + " > " + list;
  REQUIRE(std::system(command.c_str()) == 0);
  std::string text = real_files().read(list);
  CHECK_THAT(text, Catch::Contains("drwxr-xr-x 0/0               0 1970-01-01 00:00:00 a/\n"));
  CHECK_THAT(text, Catch::Contains("-rwxr-xr-x 0/0               2 1970-01-01 00:00:00 a/run\n"));
  CHECK_THAT(text, Catch::Contains("models/" + std::string(130, 'd') + "/\n"));
  CHECK_THAT(text, Catch::Contains("-rw-r--r-- 0/0               4 1970-01-01 00:00:00 " + deep));
  CHECK(find_in_tar(a.bytes, deep).value() == "long");
  CHECK(find_in_tar(a.bytes, "z").value().empty());
}

TEST_CASE("a file over 8 GiB gets its size from a pax header") {
  Archive a;
  a.writer.begin_file("big", (1ull << 33) + 7, false);
  CHECK(a.bytes.substr(0, 18) == "PaxHeaders.0/entry");
  CHECK(a.bytes.substr(512, 19) == "19 size=8589934599\n");
  CHECK(a.bytes.substr(1024, 3) == "big");
  CHECK(a.bytes.substr(1024 + 124, 11) == "00000000000");
}

TEST_CASE("a pax record counts its own digits across a power of ten") {
  for (size_t length = 80; length < 1100; ++length) {
    std::string path;
    while (path.size() < length) path += path.size() % 40 == 39 ? '/' : 'p';
    if (path.back() == '/') path.back() = 'q';
    Archive a;
    a.writer.file(path, "!");
    a.writer.finish();
    REQUIRE(find_in_tar(a.bytes, path).value_or("") == "!");
  }
}

TEST_CASE("hostile and unordered paths are refused") {
  for (const char* bad : {"", "/etc/passwd", "a//b", "a/", "..", "a/../b", "./a", "a/.", "a\nb",
                          "a\\b", "\xff", "a/.wh.b", ".wh..wh..opq", "a\x7f"}) {
    INFO(bad);
    CHECK_THROWS_AS(check_tar_path(bad), Error);
  }
  CHECK_THROWS_AS(check_tar_path(std::string(4097, 'a')), Error);
  CHECK_THROWS_AS(check_tar_path(std::string_view("a\0b", 3)), Error);
  Archive a;
  a.writer.file("m", "");
  CHECK_THROWS_WITH(a.writer.file("m", ""), Catch::Contains("not in ascending order"));
  CHECK_THROWS_WITH(a.writer.file("b", ""), Catch::Contains("not in ascending order"));
  a.writer.file("m-x", "");
  CHECK_THROWS_WITH(a.writer.file("m/n", ""), Catch::Contains("also a file"));
}

TEST_CASE("a file has exactly the bytes announced") {
  Archive a;
  a.writer.begin_file("a", 3, false);
  CHECK_THROWS_WITH(a.writer.write("four"), Catch::Contains("more bytes"));
  a.writer.write("tw");
  CHECK_THROWS_WITH(a.writer.finish(), Catch::Contains("fewer bytes"));
}

TEST_CASE("a reader takes every truncation and every flipped byte without harm") {
  std::string bytes = small_archive();
  CHECK(find_in_tar(bytes, "a/b").value() == "hello");
  CHECK_FALSE(find_in_tar(bytes, "a/").has_value());
  for (size_t n = 0; n < bytes.size(); ++n) {
    std::string cut = bytes.substr(0, n);  // its own allocation: an overrun is seen
    if (n < 512 * 9) {                     // up to the first block of the end
      REQUIRE_THROWS_AS(find_in_tar(cut, "nowhere"), Error);
    }
  }
  size_t refused = 0;
  for (size_t at = 0; at < 512 * 2; ++at) {
    std::string other = bytes;
    other[at] = static_cast<char>(other[at] ^ 0x2a);
    try {
      find_in_tar(other, "nowhere");
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused >= 511);  // every byte of the first header but the one after the checksum's NUL
}
