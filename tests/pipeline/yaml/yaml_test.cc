#include "pipeline/yaml/yaml.h"

#include "pipeline/base/json.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

std::string refusal(std::string_view text, YamlLimits limits = {}) {
  try {
    load_yaml(text, "f.yaml", limits);
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::kInvalid);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a document becomes a tree that knows its places") {
  YamlNode root = load_yaml("a: 1\nb:\n  - x\n  - 'y'\nc: {d: }\n", "dir/f.yaml");
  REQUIRE(root.is_map());
  REQUIRE(root.entries().size() == 3);
  CHECK(root.entries()[1].key == "b");
  CHECK(root.entries()[1].key_place.str() == "dir/f.yaml:2:1");
  const YamlNode& list = *root.find("b");
  CHECK(list.items()[1].text() == "y");
  CHECK(list.items()[1].quoted());
  CHECK(list.items()[1].place().str() == "dir/f.yaml:4:5");
  CHECK(root.find("c")->find("d")->is_null());
  CHECK(root.find("nope") == nullptr);
}

TEST_CASE("an empty or commented file is a null node") {
  CHECK(load_yaml("", "f").is_null());
  CHECK(load_yaml("# nothing\n", "f").is_null());
}

TEST_CASE("plain scalars follow the core schema of YAML 1.2") {
  auto json = [](const char* text) { return to_json(load_yaml(text, "f")).dump(); };
  CHECK(json("[1, -7, +3, 0o17, 0x1F, 007]") == "[1,-7,3,15,31,7]");
  CHECK(json("[1.5, .5, 1e3, -2.E-1, 1.]") == "[1.5,0.5,1000.0,-0.2,1.0]");
  CHECK(json("[true, False, TRUE]") == "[true,false,true]");
  CHECK(json("[no, yes, on, off, y, NO]") == R"(["no","yes","on","off","y","NO"])");
  CHECK(json("[~, null, Null, ]") == "[null,null,null]");
  CHECK(json("['1', \"true\", '']") == R"(["1","true",""])");
  CHECK(json("[1_000, 0b1, 1:30, 1e, ., -, 0x, 2026-01-01]") ==
        R"(["1_000","0b1","1:30","1e",".","-","0x","2026-01-01"])");
  CHECK(json("a: {b: [1]}\nc: |\n  7\n") == R"({"a":{"b":[1]},"c":"7\n"})");
}

TEST_CASE("numbers that cannot be kept are refused with their place") {
  for (const char* text : {"9223372036854775808", ".inf", "-.Inf", ".nan", "1e999"}) {
    INFO(text);
    CHECK_THROWS_WITH(to_json(load_yaml(std::string("a: ") + text, "f")),
                      Catch::Contains("f:1:4") && Catch::Contains("quote it"));
  }
  CHECK(to_json(load_yaml("-9223372036854775808", "f")) == INT64_MIN);
}

TEST_CASE("typed readers take their type only") {
  auto node = [](const char* text) { return load_yaml(text, "f"); };
  CHECK(as_int(node("12")) == 12);
  CHECK_FALSE(as_int(node("'12'")));
  CHECK_FALSE(as_int(node("1.0")));
  CHECK_FALSE(as_int(node("99999999999999999999")));
  CHECK(as_double(node("12")) == 12.0);
  CHECK(as_double(node("+.5")) == 0.5);
  CHECK_FALSE(as_double(node(".inf")));
  CHECK(as_bool(node("true")) == true);
  CHECK_FALSE(as_bool(node("yes")));
  CHECK(as_text(node("no")) == "no");
  CHECK(as_text(node("'1'")) == "1");
  CHECK_FALSE(as_text(node("1")));
  CHECK_FALSE(as_text(node("")));
  CHECK(kind_word(node("1")) == "an integer");
  CHECK(kind_word(node("1.5")) == "a number");
  CHECK(kind_word(node("~")) == "nothing");
}

TEST_CASE("what yaml-cpp lets pass is refused") {
  CHECK_THAT(refusal("a: 1\n---\nb: 2\n"), Catch::Contains("f.yaml:2:1: a second YAML document"));
  CHECK_THAT(refusal("a: 1\nb: 2\na: 3\n"),
             Catch::Contains("f.yaml:3:1: the key \"a\" stands twice"));
  CHECK_THAT(refusal("a: 1\nb: 2\na: 3\n"), Catch::Contains("first at f.yaml:1:1"));
  CHECK_THAT(refusal("{'a': 1, a: 2}"), Catch::Contains("stands twice"));
  CHECK_THAT(refusal("? [a]\n: 1\n"), Catch::Contains("a key must be text"));
  CHECK_THAT(refusal("? {a: 1}\n: 1\n"), Catch::Contains("a key must be text"));
  CHECK_THAT(refusal("~: 1\n"), Catch::Contains("a key must be text"));
  CHECK_THAT(refusal("x: &x {a: 1}\ny: {<<: *x}\n"), Catch::Contains("f.yaml:2:5: merge keys"));
  CHECK_THAT(refusal("a: !!python/object:os.system x\n"), Catch::Contains("is not allowed"));
  CHECK_THAT(refusal("a: !!int 3\n"), Catch::Contains("is not allowed"));
  CHECK_THAT(refusal("a: !secret x\n"), Catch::Contains("is not allowed"));
  CHECK_THAT(refusal(std::string_view("a: \0b", 5)),
             Catch::Contains("f.yaml:1:4: the control character 0x00"));
  CHECK_THAT(refusal("a: 1\nb: \x04 2\n"),
             Catch::Contains("f.yaml:2:4: the control character 0x04"));
  CHECK_THAT(refusal("a: \"\\0\"\n"), Catch::Contains("holds a NUL"));
  CHECK_THAT(refusal("a: \xff\n"), Catch::Contains("not UTF-8"));
  CHECK_THAT(refusal("\xff\xfe"
                     "a\n"),
             Catch::Contains("not UTF-8"));
}

TEST_CASE("syntax errors name their place") {
  CHECK_THAT(refusal("a: [1\n"), Catch::Contains("not valid YAML"));
  CHECK_THAT(refusal("a: 'x\n"), Catch::Contains("f.yaml:"));
  CHECK_THAT(refusal("a: 1\n  b: 2\n"), Catch::Contains("f.yaml:2:"));
  CHECK_THAT(refusal("a:\n\t- 1\n"), Catch::Contains("f.yaml:2:2"));
  CHECK_THAT(refusal("a:\n  b: 1\n\tc: 2\n"),
             Catch::Contains("f.yaml:3:1") && Catch::Contains("tab"));
  CHECK_THAT(refusal("a: \"x\nb: 1\n"),
             Catch::Contains("f.yaml:3:1: not valid YAML: a quoted text is never closed"));
  CHECK_THAT(refusal("a: {b: ${{ matrix.x }}}\n"), Catch::Contains("needs quotes"));
  CHECK_THAT(refusal("a: *nope\n"), Catch::Contains("f.yaml:1:4"));
  CHECK_THAT(refusal("a: {b: 1}}\n"), Catch::Contains("f.yaml:1:10"));
}

TEST_CASE("the end of the text keeps block scalars as they are") {
  auto json = [](const char* text) { return to_json(load_yaml(text, "f")).dump(); };
  CHECK(json("a: |\n  x\n") == R"({"a":"x\n"})");
  CHECK(json("a: |\n  x") == R"({"a":"x\n"})");
  CHECK(json("a: |+\n  x\n\n") == R"({"a":"x\n\n"})");
  CHECK(json("a: |-\n  x\n\n") == R"({"a":"x"})");
  CHECK(json("--- \na: 1\n...\n") == R"({"a":1})");
  CHECK(json("a: 1\n...\n# end\n") == R"({"a":1})");
}

TEST_CASE("aliases are expanded under a budget") {
  YamlNode root = load_yaml("a: &a {x: [1, 2]}\nb: *a\n", "f");
  CHECK(to_json(*root.find("b")).dump() == R"({"x":[1,2]})");

  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    std::string prev = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + prev;
    for (int j = 0; j < 9; ++j) bomb += ", " + prev;
    bomb += "]\n";
  }
  CHECK_THAT(refusal(bomb), Catch::Contains("once aliases are expanded"));

  std::string wide = "a: &a " + std::string(100'000, 'x') + "\nb: [*a";
  for (int i = 0; i < 100; ++i) wide += ", *a";
  CHECK_THAT(refusal(wide + "]\n"), Catch::Contains("bytes of text once aliases"));
  CHECK_THAT(refusal("a: &a [*a]\n"), Catch::Contains("inside its own anchor"));

  std::string deep = "a0: &a0 [x]\n";
  for (int i = 1; i < 70; ++i) {
    deep += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) +
            "]\n";
  }
  CHECK_THAT(refusal(deep), Catch::Contains("nested deeper than 64"));
}

TEST_CASE("size, depth and count are limited") {
  CHECK_THAT(refusal(std::string(2'000'000, ' ')), Catch::Contains("are allowed"));
  CHECK_THAT(refusal(std::string(65, '[') + std::string(65, ']')),
             Catch::Contains("nested deeper than 64"));
  CHECK(refusal(std::string(64, '[') + std::string(64, ']')) == "accepted");
  CHECK_THAT(refusal(std::string(500'000, '[')), Catch::Contains("f.yaml:1:"));
  CHECK_THAT(refusal("[1, 2, 3]", {.max_nodes = 3}), Catch::Contains("more than 3 values"));
}

TEST_CASE("every truncation of a document loads or is refused, never worse") {
  std::string text = "a: &x {b: [1, 'two', \"three\\n\"]}\nc: *x\nd: |\n  block\ne: >-\n  fold\n";
  for (size_t n = 0; n <= text.size(); ++n) CHECK_NOTHROW(refusal(text.substr(0, n)));
}
