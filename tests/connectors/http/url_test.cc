#include "connectors/http/url.h"

#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

TEST_CASE("places: host, port and repository") {
  RegistryPlace p = parse_place("registry.example.org:5000/team/intents");
  CHECK(p.host == "registry.example.org");
  CHECK(p.port == 5000);
  CHECK(p.repository == "team/intents");
  CHECK_FALSE(p.loopback());
  CHECK(parse_place("[::1]:5000/a").loopback());
  CHECK(parse_place("127.0.0.1/a").loopback());
  CHECK(parse_place("localhost/a").port == 0);
  CHECK_FALSE(parse_place("127.evil.example/a").loopback());
  CHECK_NOTHROW(parse_place("h/a.b/c_d/e__f/g--h"));
  for (const char* bad :
       {"",      "h",     "h/",     "/a",     "h:0/a", "h:65536/a", "h:x/a", "h:/a", "https://h/a",
        "u@h/a", "h/A",   "h/a//b", "h/../b", "h/a/",  "h/a___b",   "h/.a",  "h/a.", "h/a?b",
        "h/a b", "h\n/a", "[::1/a", "[zz]/a", "-h/a",  "h/a..b"}) {
    INFO(bad);
    CHECK_THROWS_AS(parse_place(bad), Error);
  }
  CHECK_THROWS_AS(parse_place("h/" + std::string(256, 'a')), Error);
}

TEST_CASE("URLs: absolute, relative, refused") {
  Url base = parse_url("http://h:5000/v2/a/blobs/uploads/?x=1");
  CHECK(base.authority() == "h:5000");
  CHECK(resolve_url(base, "/v2/b?y=2").target == "/v2/b?y=2");
  CHECK(resolve_url(base, "/v2/b?u=http://x/").authority() == "h:5000");
  CHECK(resolve_url(base, "uuid?s=1").target == "/v2/a/blobs/uploads/uuid?s=1");
  CHECK(resolve_url(base, "//other/x").host == "other");
  CHECK_FALSE(resolve_url(base, "//other/x").tls);
  CHECK(resolve_url(base, "https://s/x#f").target == "/x");
  CHECK(parse_url("https://s").target == "/");
  CHECK(parse_url("https://s?q").target == "/?q");
  CHECK(parse_url("http://[::1]:80/").authority() == "[::1]:80");
  CHECK_FALSE(parse_url("https://h/").same_origin(parse_url("https://h:444/")));
  for (const std::string& bad :
       {std::string("ftp://h/"), std::string("http://"), std::string("http://u:p@h/"),
        std::string("http://h/a b"), std::string("http://h/\r\nX: y"),
        std::string("http://h:99999/"), std::string("file:///etc/passwd"),
        "http://h/" + std::string(9000, 'a')}) {
    INFO(bad.substr(0, 60));
    CHECK_THROWS_AS(resolve_url(base, bad), Error);
  }
  CHECK(percent_encode("sha256:a/b c~") == "sha256%3Aa%2Fb%20c~");
}

TEST_CASE("a Location whose escapes were decoded is escaped again") {
  CHECK(wire_location("/a+b?x=1&s=q+r/==") == "/a+b?x=1&s=q%2Br/==");
  CHECK(wire_location("/a b?\r\nX: \xc3\xa9#") == "/a%20b?%0D%0AX:%20%C3%A9%23");
  CHECK(wire_location("/a?100%") == "/a?100%25");
  CHECK(wire_location("/a?s=%2B+%20") == "/a?s=%2B+%20");
}
