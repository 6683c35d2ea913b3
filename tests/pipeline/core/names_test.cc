#include "pipeline/core/names.h"

#include <algorithm>

#include "tests/catch.h"

using namespace lockstep;

TEST_CASE("a name is 1 to 128 bytes of the alphabet and begins with a letter, digit or ~") {
  CHECK(valid_name("intent-client-3"));
  CHECK(valid_name("~2e~2e"));
  CHECK(valid_name("A.b_c~d-e"));
  CHECK(valid_name(std::string(128, 'a')));
  CHECK_FALSE(valid_name(std::string(129, 'a')));
  for (const char* bad : {"", ".", "..", "-a", "_a", ".a", "a/b", "a b", "a\n", "é", "a\\b"}) {
    CAPTURE(bad);
    CHECK_FALSE(valid_name(bad));
  }
  CHECK_FALSE(valid_name(std::string_view("a\0b", 3)));
}

TEST_CASE("a channel may not be named like a release tag, nor like the champion alias") {
  std::string tag = "ea29012ff0370c2fdebe54237b5e7755";
  CHECK(valid_channel_name("production"));
  CHECK_FALSE(valid_channel_name("champion"));
  CHECK_FALSE(valid_channel_name(tag));
  CHECK_FALSE(valid_channel_name("EA29012FF0370C2FDEBE54237B5E7755"));
  CHECK_FALSE(valid_channel_name(tag + "-0123abcd"));
  CHECK(valid_channel_name(tag + "-0123abcg"));
  CHECK(valid_channel_name(tag + "-0123abc"));
  CHECK(valid_channel_name(tag.substr(1)));
  CHECK(valid_channel_name("g" + tag.substr(1)));
  CHECK_FALSE(valid_channel_name("../x"));
}

TEST_CASE("values from data are encoded byte by byte") {
  CHECK(encode_value("client-3", false) == "client-3");
  CHECK(encode_value("a b", false) == "a~20b");
  CHECK(encode_value("é", false) == "~c3~a9");
  CHECK(encode_value("~", false) == "~7e");
  CHECK(encode_value("../x", false) == "..~2fx");
  CHECK(encode_value("../x", true) == "~2e.~2fx");
  CHECK(encode_value("-a-", true) == "~2da-");
  CHECK(encode_value("_a", true) == "~5fa");
  CHECK(encode_value(std::string_view("\0\n", 2), true) == "~00~0a");
  CHECK(encode_value("", true).empty());
}

TEST_CASE("encoding never merges two values, and every encoded name is valid") {
  std::vector<std::string> seen;
  for (int a = 0; a < 256; ++a) {
    for (std::string value :
         {std::string(1, static_cast<char>(a)), "x" + std::string(1, static_cast<char>(a)),
          "~" + std::string(1, static_cast<char>(a))}) {
      std::string name = encode_value(value, true);
      CHECK(valid_name(name));
      seen.push_back(name);
    }
  }
  std::sort(seen.begin(), seen.end());
  CHECK(std::unique(seen.begin(), seen.end()) == seen.end());
}

TEST_CASE("a name over 128 bytes keeps 119 and the first 8 hex digits of its SHA-256") {
  CHECK(bounded_name(std::string(128, 'a')) == std::string(128, 'a'));
  std::string full(129, 'a');
  std::string bounded = bounded_name(full);
  CHECK(bounded.size() == 128);
  CHECK(bounded == std::string(119, 'a') + "-c12cb024");  // sha256sum of 129 times 'a'
  CHECK(bounded_name(full + "b") != bounded);
  CHECK(valid_name(bounded));
}

TEST_CASE("patterns know * only") {
  CHECK(matches("*", ""));
  CHECK(matches("intent-*", "intent-client-3"));
  CHECK(matches("*-3", "intent-client-3"));
  CHECK(matches("i*c*3", "intent-client-3"));
  CHECK(matches("a**b", "ab"));
  CHECK_FALSE(matches("intent-*", "Intent-client-3"));
  CHECK_FALSE(matches("intent-?", "intent-3"));
  CHECK_FALSE(matches("a*b", "abc"));
  CHECK_FALSE(matches("", "a"));
  CHECK(matches("", ""));
  CHECK_FALSE(matches(std::string(60, '*') + "x", std::string(5000, 'a')));
}
