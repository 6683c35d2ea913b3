#include "pipeline/base/error.h"
#include "pipeline/core/workflow.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

using Part = TemplateText::Part;

std::string shown(const std::string& text) {
  return resolve_text(parse_template(text), [](const std::string& r) { return "<" + r + ">"; });
}

}  // namespace

TEST_CASE("a text splits into literals and references") {
  TemplateText text = parse_template("intent-${{ matrix.client }}!");
  REQUIRE(text.parts.size() == 3);
  CHECK(text.parts[0] == Part{false, "intent-"});
  CHECK(text.parts[1] == Part{true, "matrix.client"});
  CHECK(text.parts[2] == Part{false, "!"});
}

TEST_CASE("references stand alone, side by side, and with or without spaces") {
  CHECK(parse_template("").parts.empty());
  CHECK(shown("plain $x {{ y }} }}") == "plain $x {{ y }} }}");
  CHECK(shown("${{matrix.a}}${{  env.B_2\t}}") == "<matrix.a><env.B_2>");
  CHECK(shown("${{ commit.my-src.x~2e }}") == "<commit.my-src.x~2e>");
}

TEST_CASE("malformed references are refused, never taken literally") {
  for (const char* bad :
       {"${{ matrix.a", "${{", "${{ }}", "${{ matrix }}", "${{ matrix. }}", "${{ matrix..a }}",
        "${{ matrix.a b }}", "${{ secrets.x }}", "${{ matrix.a + 1 }}", "${{ env.$(x) }}",
        "${{ Matrix.a }}", "ok ${{ matrix.a }} ${{ matrix.b }", "${{ ${{ matrix.a }} }}"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(parse_template(bad), Error);
  }
}

TEST_CASE("the message of a malformed reference is bounded") {
  try {
    parse_template("${{ " + std::string(100'000, 'x') + " }}");
    FAIL("accepted");
  } catch (const Error& e) {
    CHECK(e.code == ErrorCode::kInvalid);
    CHECK(e.message.size() < 500);
    CHECK_FALSE(e.hint.empty());
  }
}
