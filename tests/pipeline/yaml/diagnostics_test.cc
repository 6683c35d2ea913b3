#include "pipeline/yaml/diagnostics.h"

#include "tests/catch.h"

using namespace lockstep;

TEST_CASE("the nearest word is found within a third of the length") {
  std::vector<std::string> words = {"registers", "resources", "retry", "run", "uses"};
  CHECK(nearest_word("regsiters", words) == "registers");
  CHECK(nearest_word("use", words) == "uses");
  CHECK(nearest_word("resource", words) == "resources");
  CHECK(nearest_word("champion", words) == "");
  CHECK(nearest_word("", words) == "");
  CHECK(nearest_word(std::string(1000, 'r'), words) == "");
  CHECK(did_you_mean("rnu", words) == "did you mean \"run\"?");
}

TEST_CASE("diagnostics come sorted by place, once each, all together") {
  Diagnostics all;
  CHECK(all.ok());
  CHECK_NOTHROW(all.throw_if_any());
  all.error({"b.yaml", 2, 1}, "third");
  all.error({"a.yaml", 10, 1}, "second", "do that");
  all.error({"a.yaml", 9, 7}, "first");
  all.error({"a.yaml", 9, 7}, "first");
  all.add(Error(ErrorCode::kInvalid, "thrown", "", "a.yaml:9:1"));
  all.warn({"a.yaml", 1, 1}, "careful");
  std::string text;
  try {
    all.throw_if_any();
  } catch (const Errors& errors) {
    text = errors.what();
  }
  CHECK(text ==
        "a.yaml:9:1: thrown\na.yaml:9:7: first\na.yaml:10:1: second (do that)\nb.yaml:2:1: third");
  CHECK(all.warnings().size() == 1);
}

TEST_CASE("a flood of errors is cut and counted") {
  Diagnostics all;
  for (int i = 1; i <= 250; ++i) all.error({"a", i, 1}, "wrong");
  CHECK(all.errors().size() == 201);
  CHECK(all.errors().back().message == "and 50 more");
}

TEST_CASE("text from files cannot disturb a terminal") {
  CHECK(shown("a\x1b[2Jb\n") == "a\\x1b[2Jb\\x0a");
  CHECK(shown(std::string(200, 'x')).size() < 70);
}
