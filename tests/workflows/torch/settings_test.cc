#include "workflows/torch/settings.h"

#include "pipeline/base/error.h"
#include "tests/catch.h"
#include "workflows/torch/revisions.h"

namespace lockstep {
namespace {

const ActionSpec& adapter() {
  return find_action("torch/text-adapter");
}

std::string refusal(const Json& with) {
  try {
    Settings settings(adapter(), with);
  } catch (const Error& error) {
    CHECK(error.code == ErrorCode::kInvalid);
    return error.what();
  }
  return "";
}

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("settings: defaults hold where nothing is given") {
  Settings settings(adapter(), Json::object());
  CHECK(settings.integer("rank") == 8);
  CHECK(settings.text("adapter") == "lora");
  CHECK(settings.texts("targets") == std::vector<std::string>{"input"});
  CHECK_FALSE(settings.given("rank"));
}

TEST_CASE("settings: numbers may be spelled as text, lists lose their order") {
  Settings settings(adapter(), {{"rank", "4"},
                                {"learning-rate", "1e-3"},
                                {"epochs", 3.0},
                                {"targets", {"input", "hidden"}}});
  CHECK(settings.integer("rank") == 4);
  CHECK(settings.number("learning-rate") == 1e-3);
  CHECK(settings.integer("epochs") == 3);
  CHECK(settings.texts("targets") == std::vector<std::string>{"hidden", "input"});
  CHECK(settings.given("rank"));
}

TEST_CASE("settings: an unknown word names the nearest right one") {
  CHECK(says(refusal({{"learning_rate", 1}}), "did you mean learning-rate?"));
  CHECK(says(refusal({{"epoch", 1}}), "did you mean epochs?"));
  CHECK(says(refusal({{"width", 1}}), "does not know with.width"));
  CHECK(says(refusal({{"something-else-entirely", 1}}), "it knows text, label"));
  CHECK_THROWS_WITH(find_action("torch/text-adaptor"),
                    Catch::Contains("did you mean torch/text-adapter?"));
}

TEST_CASE("settings: ill values are refused, all at once") {
  CHECK(says(refusal({{"rank", 0}}), "from 1 to 1024"));
  CHECK(says(refusal({{"rank", 1.5}}), "whole number"));
  CHECK(says(refusal({{"rank", -1}}), "whole number"));
  CHECK(says(refusal({{"rank", "eight"}}), "whole number"));
  CHECK(says(refusal({{"rank", nullptr}}), "whole number"));
  CHECK(says(refusal({{"learning-rate", true}}), "number"));
  CHECK(says(refusal({{"adapter", "loro"}}), "head, bottleneck, lora"));
  CHECK(says(refusal({{"targets", "input"}}), "give a list"));
  CHECK(says(refusal({{"targets", {"input", "input"}}}), "only once"));
  CHECK(says(refusal({{"text", ""}}), "give a text"));
  std::string both = refusal({{"rank", 0}, {"epochs", 0}, {"sead", 1}});
  CHECK(says(both, "with.rank"));
  CHECK(says(both, "with.epochs"));
  CHECK(says(both, "did you mean seed?"));
  CHECK(says(refusal(Json::array()), "not a map"));
}

TEST_CASE("settings: every action describes itself with its revision, inputs and words") {
  Json actions = describe_actions();
  REQUIRE(actions.size() == 3);
  CHECK(actions[0]["name"] == "torch/text-trunk");
  CHECK(actions[0]["revision"] == kTextTrunkRevision);
  CHECK(actions[1]["revision"] == kTextAdapterRevision);
  CHECK(actions[2]["revision"] == kEvaluateRevision);
  CHECK(actions[1]["inputs"][1]["name"] == "trunk");
  CHECK(actions[1]["with"][2]["choices"].size() == 3);
}

TEST_CASE("settings: nearest_word takes only what is near") {
  CHECK(nearest_word("rnak", {"rank", "alpha"}) == "rank");
  CHECK(nearest_word("", {"rank"}) == "");
  CHECK(nearest_word("completely-different", {"rank", "alpha"}) == "");
}

}  // namespace
}  // namespace lockstep
