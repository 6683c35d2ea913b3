#include "connectors/oci_registry/auth.h"

#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

TEST_CASE("challenges are read as servers write them") {
  auto all = parse_challenges(R"(Bearer realm="https://auth.example/token?a=b",service="r, \"x\"",)"
                              R"(scope=repository:a:pull)");
  REQUIRE(all.size() == 1);
  CHECK(all[0].scheme == "bearer");
  CHECK(all[0].params["realm"] == "https://auth.example/token?a=b");
  CHECK(all[0].params["service"] == "r, \"x\"");
  CHECK(all[0].params["scope"] == "repository:a:pull");
  all = parse_challenges(R"(Negotiate, Basic realm="a, b" , BEARER Realm = "c")");
  REQUIRE(all.size() == 3);
  CHECK(all[1].params["realm"] == "a, b");
  CHECK(all[2].params["realm"] == "c");
  for (const char* odd : {"", ",,,", "=", "\"", "Basic realm=\"", "\x01\x02", "a=b"}) {
    CHECK_NOTHROW(parse_challenges(odd));
  }
}

TEST_CASE("basic credentials: encoded, and refused when they can't be") {
  CHECK(basic_authorization({"Aladdin", "open sesame"}) == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  CHECK_THROWS_AS(basic_authorization({"a:b", "c"}), Error);
  CHECK_THROWS_AS(basic_authorization({"a", "c\n"}), Error);
}
