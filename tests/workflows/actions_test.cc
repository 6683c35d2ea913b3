// What `check` believes of the built-in actions, against what lockstep-torch and lockstep-quality
// offer.
#include "workflows/language/actions.h"

#include "pipeline/base/files.h"
#include "pipeline/base/process.h"
#include "tests/catch.h"

namespace lockstep {
namespace {

// build/tests/actions_test → build/bin/PROGRAM
Json offered_by(const char* program) {
  ProcessRequest request;
  fs::path build = fs::read_symlink("/proc/self/exe").parent_path().parent_path();
  request.argv = {build / "bin" / program, "actions", "--json"};
  ProcessResult result = run_process(request);
  INFO(result.err);
  REQUIRE(result.ok());
  return parse_json(result.out, program);
}

// The words of `actions --json`.
std::string kind_word(WithType type) {
  switch (type) {
    case WithType::kInteger:
      return "integer";
    case WithType::kNumber:
      return "number";
    case WithType::kText:
      return "text";
    case WithType::kIntegers:
      return "list of integers";
    case WithType::kTexts:
      return "list of texts";
  }
  return "";
}

Json believed_key(const WithKey& key) {
  Json out = {{"kind", kind_word(key.type)}};
  if (key.type != WithType::kText && key.type != WithType::kTexts) {
    out.update({{"min", key.min}, {"max", key.max}});
  }
  if (!key.words.empty()) out["choices"] = key.words;
  if (!key.column.empty()) out["default"] = key.column;
  return out;
}

Json believed(const Action& action) {
  Json inputs = Json::object(), with = Json::object();
  for (const ActionInput& input : action.inputs) {
    const bool table = input.kinds.front() == InputKind::kRows;  // earlier rows are a table, too
    inputs[input.name] = table ? "table" : "model";
  }
  for (const WithKey& key : action.with) with[key.name] = believed_key(key);
  return {{"revision", action.revision},
          {"inputs", inputs},
          {"outputs", action.outputs},
          {"with", with}};
}

// An action of the list in the shape of `believed`: texts for people are left out, and so are
// defaults, except of texts of any value, which name columns.
Json in_short(const Json& action) {
  Json inputs = Json::object(), with = Json::object();
  for (const Json& input : action.at("inputs")) inputs[input.at("name")] = input.at("kind");
  for (Json key : action.at("with")) {
    bool column = key.at("kind") == "text" && !key.contains("choices") && key["default"] != "";
    if (!column) key.erase("default");
    std::string name = key.at("name");
    key.erase("name");
    key.erase("help");
    with[name] = key;
  }
  return {{"revision", action.at("revision")},
          {"inputs", inputs},
          {"outputs", action.at("outputs")},
          {"with", with}};
}

}  // namespace

TEST_CASE("the language and the programs agree on every action") {
  Json list = offered_by("lockstep-torch");
  for (const Json& action : offered_by("lockstep-quality")) list.push_back(action);
  REQUIRE(list.size() == actions().size());
  for (const Json& action : list) {
    std::string name = action.at("name");
    INFO(name);
    const Action* known = find_action(name);
    REQUIRE(known != nullptr);
    CHECK(believed(*known) == in_short(action));
  }
}

}  // namespace lockstep
