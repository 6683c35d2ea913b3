#include "pipeline/base/folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/base/json.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

const Digest kA = sha256("a");
const std::string kHexA = kA.str();

}  // namespace

TEST_CASE("a folder's listing is canonical") {
  std::string listing = folder_listing({{"b/c", kA, true, 1}, {"a", kA, false, 1}});
  CHECK(listing == "[[\"a\",\"" + kHexA + "\",false],[\"b/c\",\"" + kHexA + "\",true]]");
  CHECK(parse_folder_listing(listing).size() == 2);
  CHECK(parse_folder_listing(listing)[1].executable);
  CHECK(folder_listing({}) == "[]");
}

TEST_CASE("other listings are refused") {
  auto entry = [](const std::string& path) { return "[\"" + path + "\",\"" + kHexA + "\",false]"; };
  for (std::string bad :
       {std::string("{}"), std::string("[1]"), "[ " + entry("a") + "]",
        std::string("[[\"a\",1,false]]"), "[" + entry("b") + "," + entry("a") + "]",
        "[" + entry("a") + "," + entry("a") + "]", "[" + entry("a") + "," + entry("a/b") + "]",
        "[" + entry("a") + "," + entry("a-b") + "," + entry("a/b") + "]", "[" + entry("../x") + "]",
        "[" + entry("/x") + "]", "[" + entry("x/.git/config") + "]", std::string(100'000, '[')}) {
    INFO(bad.substr(0, 100));
    CHECK_THROWS_AS(parse_folder_listing(bad), Error);
  }
}

TEST_CASE("paths that lead elsewhere are not relative paths") {
  for (const char* good : {"a", "a/b.c", "ö/ü", ".github/x", "a b"}) {
    CHECK(valid_relative_path(good));
  }
  for (std::string bad : std::vector<std::string>{"", "/", "/a", "a/", "a//b", ".", "..", "a/../b",
                                                  ".git", "a/.GIT/b", "a\nb", "a\x7f", "\xff"}) {
    INFO(bad);
    CHECK_FALSE(valid_relative_path(bad));
  }
  CHECK_FALSE(valid_relative_path(std::string("a\0b", 3)));
  CHECK_FALSE(valid_relative_path(std::string(256, 'a')));
}

TEST_CASE("a folder on disk is scanned, links and special files are refused") {
  TempFolder temp;
  fs::path folder = temp.path() / "f";
  real_files().write_atomic(folder / "sub" / "x", "a");
  real_files().write_atomic(folder / "run", "a", 0755);
  fs::create_directory(folder / "empty");
  std::vector<FolderEntry> entries = scan_folder(folder);
  CHECK(entries == std::vector<FolderEntry>{{"run", kA, true, 1}, {"sub/x", kA, false, 1}});
  SECTION("a link") {
    fs::create_symlink("/etc/passwd", folder / "sub" / "link");
    CHECK_THROWS_AS(scan_folder(folder), Error);
    CHECK_THROWS_AS(hash_file(folder / "sub" / "link"), Error);
  }
  SECTION("a link to a folder") {
    fs::create_symlink("/etc", folder / "link");
    CHECK_THROWS_AS(scan_folder(folder), Error);
    CHECK_THROWS_AS(scan_folder(folder / "link"), Error);
  }
  SECTION("a fifo does not block") {
    REQUIRE(mkfifo((folder / "fifo").c_str(), 0600) == 0);
    CHECK_THROWS_AS(scan_folder(folder), Error);
  }
}

TEST_CASE("text for messages is made printable") {
  CHECK(printable("öffne") == "öffne");
  CHECK(printable("a\n\x1b[31m") == "a??[31m");
  CHECK(printable("\xff") == "?");
  CHECK(printable("abc", 2) == "ab…");
  CHECK(valid_utf8(printable(std::string(199, 'a') + "ö")));
}

TEST_CASE("text of others is text in Markdown") {
  CHECK(markdown_text("client-3") == "client-3");
  CHECK(markdown_text("a|b") == "a\\|b");
  CHECK(markdown_text("<b>&") == "&lt;b&gt;&amp;");
  CHECK(markdown_text("[x](http://e)") == "\\[x\\]\\(http\\://e\\)");
  CHECK(markdown_text("@ann #12") == "\\@\u200bann \\#\u200b12");
  CHECK(markdown_text("wWw.example.org now.") == "wWw\u200b.example.org now.");
  CHECK(markdown_text("a\u202eb\u2066c\u061cd\u200ee") == "a?b?c?d?e");
  CHECK(markdown_text("\u2026 \u2060 \u0618") == "\u2026 \u2060 \u0618");
  CHECK(markdown_text("\r\n# x") == "??\\#\u200b x");
  CHECK(markdown_text("`\\`") == "\\`\\\\\\`");
  CHECK(markdown_text(std::string(500, '|')).size() == 400 + std::string("…").size());
}
