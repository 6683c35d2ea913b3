#include "pipeline/base/json.h"

#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

TEST_CASE("canonical JSON sorts keys by bytes and writes numbers one way") {
  Json value = {{"b", 1.0},
                {"a", Json::array({1e21, 1e-7, 0.1, -0.0, 1234567890123456789})},
                {"é", "\x01\n\"\\"}};
  CHECK(canonical_json(value) ==
        "{\"a\":[1e+21,1e-7,0.1,0,1234567890123456789],\"b\":1,\"é\":\"\\u0001\\n\\\"\\\\\"}");
}

TEST_CASE("RFC 8785 sorts keys by UTF-16 units") {
  // U+1F600 (surrogates d83d…) sorts before U+FB33 in UTF-16, after it in bytes.
  Json value = {{"\U0001F600", 1}, {"\uFB33", 2}};
  CHECK(rfc8785_json(value) == "{\"\U0001F600\":1,\"\uFB33\":2}");
  CHECK(canonical_json(value) == "{\"\uFB33\":2,\"\U0001F600\":1}");
}

TEST_CASE("canonical JSON refuses what has no form") {
  CHECK_THROWS_AS(canonical_json(Json(std::string("\xff"))), Error);
  CHECK_THROWS_AS(canonical_json(Json(0.0 / 0.0)), Error);
  CHECK_THROWS_AS(parse_json("{", "x"), Error);
}

TEST_CASE("UTF-8 is checked strictly") {
  CHECK(valid_utf8("öffne \U0001F600"));
  for (const char* bad : {"\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    CHECK_FALSE(valid_utf8(bad));
  }
}

TEST_CASE("UTF-8: a bad byte is found wherever it stands in a long text") {
  for (size_t length : {1u, 7u, 8u, 9u, 16u, 31u}) {
    std::string text(length, 'a');
    CHECK(valid_utf8(text));
    for (size_t at = 0; at < length; ++at) {
      std::string bad = text, good = text;
      bad[at] = '\xc3';
      good.insert(at, "ö");
      CHECK_FALSE(valid_utf8(bad));
      CHECK(valid_utf8(good));
    }
  }
}
