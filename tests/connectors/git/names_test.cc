#include "connectors/git/names.h"

#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

TEST_CASE("names that are git's own folder somewhere are refused", "[git]") {
  for (const char* name :
       {".git", ".GIT", ".Git", "git~1", "GIT~1", ".git ", ".git.", ".git . .", ".git::$INDEX",
        ".git:x", "git~1.", ".g\u200cit", "\u200d.git", ".gi\uFEFFt", ".GI\u202eT", ".git\u206a"}) {
    INFO(name);
    CHECK(unsafe_name(name) != "");
  }
}

TEST_CASE("names that are no names are refused", "[git]") {
  for (std::string_view name :
       {std::string_view(""), std::string_view("."), std::string_view(".."),
        std::string_view("a/b"), std::string_view("a\\b"), std::string_view("a\nb"),
        std::string_view("a\0b", 3), std::string_view("\x7f"), std::string_view("\xc2\x9bm"),
        std::string_view("\xff")}) {
    INFO(name);
    CHECK(unsafe_name(name) != "");
  }
  CHECK(unsafe_name(std::string(256, 'a')) != "");
}

TEST_CASE("ordinary names pass", "[git]") {
  for (const char* name : {"a", ".gitignore", ".github", "git", "git~10", ".gitx", "...", "öffne",
                           "client=client-3", "a b", "日本", "-rf", "x.git"}) {
    INFO(name);
    CHECK(unsafe_name(name) == "");
  }
  CHECK(unsafe_name(std::string(255, 'a')) == "");
  CHECK_NOTHROW(check_path("a/b/.gitignore", "x"));
  for (const char* path : {"", "/a", "a/", "a//b", "a/../b", "a/.git/config", "./a"}) {
    INFO(path);
    CHECK_THROWS_AS(check_path(path, "x"), Error);
  }
}

TEST_CASE("symlinks may not leave the root", "[git]") {
  CHECK(link_destination("a/l", "b", "x") == "a/b");
  CHECK(link_destination("a/l", "../b/./c", "x") == "b/c");
  CHECK(link_destination("l", "a//b", "x") == "a/b");
  CHECK(link_destination("a/b/l", "../../c", "x") == "c");
  CHECK(link_destination("a/l", "..", "x") == "");
  for (const auto& [path, target] :
       std::vector<std::pair<const char*, const char*>>{{"l", "/etc/passwd"},
                                                        {"l", "../x"},
                                                        {"a/l", "../../x"},
                                                        {"a/l", "b/../../../a/x"},
                                                        {"l", "b/../c"},
                                                        {"l", ""},
                                                        {"l", ".git/config"}}) {
    INFO(path << " -> " << target);
    CHECK_THROWS_AS(link_destination(path, target, "x"), Error);
  }
}

TEST_CASE("text from outside is made printable", "[git]") {
  CHECK(printable("a\x1b[31mb\nc") == "a?[31mb?c");
  CHECK(printable("\xc2\x9b"
                  "31m") == "??31m");
  CHECK(printable("ö\xff") == "???");
  CHECK(printable("öö", 3) == "ö…");
  CHECK(printable("öffne") == "öffne");
}

TEST_CASE("near names are those a person may have meant", "[git]") {
  CHECK(near_names("mian", {"main", "dev", "feature/x"}) == std::vector<std::string>{"main"});
  CHECK(near_names("login", {"feature/login", "main"}) ==
        std::vector<std::string>{"feature/login"});
  CHECK(near_names("production", {"main"}).empty());
}
