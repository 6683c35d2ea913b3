#include "pipeline/base/json_spans.h"

#include <random>

#include "pipeline/base/error.h"
#include "pipeline/base/packed_json.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

// What the pieces say, as a document built from them; the text is an object.
Json from_pieces(std::string_view text) {
  Json out = Json::object();
  for (const auto& [name, value] : json_members(text)) {
    Json item;
    if (value.front() == '{') {
      item = from_pieces(value);
    } else if (std::optional<std::string> words = json_text(value)) {
      item = *words;
    } else if (std::optional<int64_t> number = json_integer(value)) {
      item = *number;
    } else {
      item = Json::parse(value);
    }
    out[json_text(name).value()] = std::move(item);
  }
  return out;
}

bool taken(std::string_view text) {
  try {
    json_members(text);
    return true;
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::kInvalid);
    return false;
  }
}

const std::vector<std::string> kWords = {"{",
                                         "}",
                                         "[",
                                         "]",
                                         ",",
                                         ":",
                                         "\"",
                                         "\\",
                                         "\"a\"",
                                         "\"\\u00e9\"",
                                         "\"\\ud83d\\ude00\"",
                                         "\"\\ud83d\"",
                                         "\\u12",
                                         "\"\\n\\\"\\/\"",
                                         "é",
                                         "\xff",
                                         "\x01",
                                         " ",
                                         "\n",
                                         "0",
                                         "-",
                                         "-0",
                                         "01",
                                         "1.5",
                                         "1.",
                                         "1e5",
                                         "1e999",
                                         "9223372036854775807",
                                         "18446744073709551615",
                                         "true",
                                         "false",
                                         "null",
                                         "nul",
                                         "\"eight or more\"",
                                         std::string("\"\0\"", 3)};

std::string some_text(std::mt19937& chance) {
  std::string text = "{";
  for (size_t n = chance() % 9; n > 0; --n) {
    text += "\"" + std::string(1, static_cast<char>('a' + chance() % 3)) + "\":";
    if (chance() % 3 == 0) text += chance() % 2 ? "[" : "{";
    text += kWords[chance() % kWords.size()];
    if (chance() % 4 == 0) text += kWords[chance() % kWords.size()];
    if (n > 1) text += ",";
  }
  return text + (chance() % 3 == 0 ? "]}" : chance() % 2 ? "}" : "}}");
}

}  // namespace

TEST_CASE("json spans: the pieces say what the whole document says") {
  for (const char* text :
       {"{}", " { } ", R"({"a":1,"b":{"c":[1,{"d":[]}],"e":{}},"f":"x"})", R"({"a":[[[]],"]"]})",
        R"({"":"","a":"\u0000\u001f\b\f\n\r\t\"\\\/é😀\u20ac\ud83d\ude00"})",
        R"({"a":-0,"b":0.5e-7,"c":9223372036854775807,"d":-9223372036854775808,"e":1e2})",
        "{\"a\"\t:\r\n[ 1 , true , false , null ] , \"b\" : \"12345678\\\"12345678\"}",
        R"({"a":1,"a":2})"}) {
    CAPTURE(text);
    CHECK(from_pieces(text) == Json::parse(text));
  }
}

TEST_CASE("json spans: what the parser of documents refuses is refused, and nothing else") {
  for (std::string text : {"",
                           "[]",
                           "1",
                           "{",
                           "}",
                           "{}x",
                           "{,}",
                           R"({"a"})",
                           R"({"a":})",
                           R"({"a":1,})",
                           R"({a:1})",
                           R"({"a":01})",
                           R"({"a":1.})",
                           R"({"a":.5})",
                           R"({"a":+1})",
                           R"({"a":1e})",
                           R"({"a":1e999})",
                           R"({"a":"\x"})",
                           R"({"a":"\u12g4"})",
                           R"({"a":"\ud800"})",
                           R"({"a":"\ude00"})",
                           R"({"a":"\ud800\u0041"})",
                           "{\"a\":\"\n\"}",
                           "{\"a\":\"\xff\"}",
                           R"({"a":"x)",
                           R"({"a":[1}})",
                           R"({"a":tru})",
                           "\xef\xbb\xbf{}",
                           R"({"a":1 2})",
                           "{\"a\":\"1234567\x01\"}"}) {
    CAPTURE(text);
    CHECK_FALSE(taken(text));
  }
  std::mt19937 chance(5);
  size_t good = 0;
  for (int n = 0; n < 60'000; ++n) {
    std::string text = some_text(chance);
    CAPTURE(text);
    bool accepted = Json::accept(text);
    REQUIRE(taken(text) == accepted);
    if (accepted) REQUIRE(from_pieces(text) == Json::parse(text));
    good += accepted;
  }
  CHECK(good > 1'000);
}

TEST_CASE("json spans: a text may be deep") {
  std::string deep = "{\"a\":" + std::string(200'000, '[') + std::string(200'000, ']') + "}";
  CHECK(json_members(deep).at(0).value.size() == 400'000);
  deep.erase(deep.size() - 2, 1);
  CHECK_FALSE(taken(deep));
}

TEST_CASE("packed JSON: comes back as it was, and compares as a value") {
  const Json value = {{"b", {1, 2.5, nullptr}}, {"a", "é\n"}};
  PackedJson packed = value,
             other = PackedJson::of_text(R"({"b": [1.0, 25e-1, null], "a": "é\n"})");
  CHECK(packed.text() == R"({"a":"é\n","b":[1,2.5,null]})");
  CHECK(packed.json() == value);
  CHECK(packed == other);
  CHECK_FALSE(packed == PackedJson(Json()));
  CHECK(PackedJson::list().json() == Json::array());
  CHECK(PackedJson::object().json() == Json::object());
  PackedJson again = value;
  CHECK(&again.text() != &packed.text());
  again.share(packed);
  CHECK(&again.text() == &packed.text());
  again.share(other);  // written otherwise: each stays as it is
  CHECK(&again.text() == &packed.text());
}
