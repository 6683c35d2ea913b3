// Every file of corpus/good is read, every file of corpus/bad is refused with exactly the errors
// its `# expect:` lines give; and the JSON Schema says the same, unless a bad file says
// `# schema: accepts`, because only the meaning is wrong.
#include <algorithm>
#include <sstream>

#include "pipeline/base/json.h"
#include "pipeline/yaml/yaml.h"
#include "tests/catch.h"
#include "tests/workflows/language/draft7.h"
#include "tests/workflows/language/fixture.h"
#include "workflows/language/actions.h"

using namespace lockstep;

namespace {

struct Sample {
  std::string name;
  std::string text;
  bool workspace = false;
};

std::vector<Sample> samples(const std::string& folder) {
  std::vector<Sample> all;
  fs::path path = project_root() / "tests/workflows/language/corpus" / folder;
  for (const auto& entry : fs::directory_iterator(path)) {
    std::string name = entry.path().filename().string();
    all.push_back({name, real_files().read(entry.path()), name.rfind("workspace", 0) == 0});
  }
  std::sort(all.begin(), all.end(),
            [](const Sample& a, const Sample& b) { return a.name < b.name; });
  return all;
}

std::vector<std::string> header(const Sample& sample, const std::string& word) {
  std::vector<std::string> values;
  std::istringstream lines(sample.text);
  std::string begin = "# " + word + ": ";
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(begin, 0) == 0) values.push_back(line.substr(begin.size()));
  }
  return values;
}

Diagnostics read(const Sample& sample) {
  Diagnostics diagnostics;
  WorkspaceSources names = usual_names();
  for (const std::string& name : header(sample, "channel")) names.channel = name;
  if (!header(sample, "sources").empty()) {
    names.tables.push_back("other");
    names.code.push_back("lib");
  }
  if (sample.workspace) {
    parse_workspace(sample.text, "w.yaml", diagnostics);
  } else {
    read_workflow(sample.text, diagnostics, names);
  }
  return diagnostics;
}

const Draft7& schema(bool workspace) {
  auto load = [](const std::string& name) {
    std::string path = "workflows/language/" + name + ".schema.json";
    return Draft7(parse_json(project_file(path), path));
  };
  static const Draft7 workflows = load("workflow");
  static const Draft7 workspaces = load("workspace");
  return workspace ? workspaces : workflows;
}

// The document as an editor's validator sees it; nullopt when it does not even load.
std::optional<Json> document(const Sample& sample) {
  try {
    return to_json(load_yaml(sample.text, "w.yaml"));
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

TEST_CASE("good files are read, and the schema takes them") {
  std::vector<Sample> all = samples("good");
  CHECK(all.size() >= 25);
  for (const Sample& sample : all) {
    INFO(sample.name);
    Diagnostics diagnostics = read(sample);
    CHECK(texts(diagnostics.errors()) == std::vector<std::string>());
    std::vector<std::string> expected = header(sample, "warns");
    std::vector<std::string> warned = texts(diagnostics.warnings());
    REQUIRE(warned.size() == expected.size());
    for (size_t i = 0; i < warned.size(); ++i) CHECK_THAT(warned[i], Catch::Contains(expected[i]));
    REQUIRE(document(sample).has_value());
    CHECK(schema(sample.workspace).accepts(*document(sample)));
  }
}

TEST_CASE("bad files are refused with every error at its place, and the schema agrees") {
  std::vector<Sample> all = samples("bad");
  CHECK(all.size() >= 60);
  for (const Sample& sample : all) {
    INFO(sample.name);
    CHECK(texts(read(sample).errors()) == header(sample, "expect"));
    if (auto value = document(sample)) {
      bool structure_is_right = !header(sample, "schema").empty();
      CHECK(schema(sample.workspace).accepts(*value) == structure_is_right);
    }
  }
}

TEST_CASE("the schema knows the same actions and the same words under with") {
  Json workflow = parse_json(project_file("workflows/language/workflow.schema.json"), "schema");
  const Json& definitions = workflow["definitions"];
  std::vector<std::string> names;
  for (const Action& action : actions()) {
    if (!action.evaluates) names.push_back(action.name);
    INFO(action.name);
    const Json& words = definitions[action.name.substr(action.name.find('/') + 1)]["properties"];
    // Of an evaluation people name columns; the rest is said by the gate and the holdout.
    CHECK(words.size() == (action.evaluates ? 2 : action.with.size()));
    for (const WithKey& key : action.with) {
      INFO(key.name);
      if (action.evaluates && key.column.empty()) continue;
      REQUIRE(words.contains(key.name));
      Json one = words[key.name].value("items", words[key.name])["anyOf"][0];
      if (key.words.empty() && one.contains("minimum")) {
        CHECK(one["minimum"].get<double>() == key.min);
        CHECK(one["maximum"].get<double>() == key.max);
      }
      if (!key.words.empty()) CHECK(one["enum"].get<std::vector<std::string>>() == key.words);
    }
  }
  CHECK(definitions["step"]["properties"]["uses"]["enum"].get<std::vector<std::string>>() == names);
}

namespace {

// Where every value stands, whole maps and lists included.
void pointers(const Json& value, const Json::json_pointer& here,
              std::vector<Json::json_pointer>& all) {
  all.push_back(here);
  if (value.is_object()) {
    for (const auto& [key, item] : value.items()) pointers(item, here / key, all);
  } else if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) pointers(value[i], here / i, all);
  }
}

}  // namespace

TEST_CASE("whatever stands in a value's place, a file is read or refused, as its schema says") {
  const std::vector<Json> others = {
      nullptr,         5, -0.5, "x", Json::array(), Json::object(), Json::array({Json::array()}),
      {{"x", nullptr}}};
  size_t tried = 0;
  for (Sample sample : samples("good")) {
    const Json whole = *document(sample);
    std::string comments;
    std::istringstream lines(sample.text);
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind('#', 0) == 0) comments += line + "\n";
    }
    std::vector<Json::json_pointer> places;
    pointers(whole, Json::json_pointer(), places);
    for (const Json::json_pointer& place : places) {
      for (size_t i = 0; i <= others.size(); ++i) {
        Json changed = whole;
        if (i < others.size()) {
          changed[place] = others[i];
        } else if (!place.empty() && changed[place.parent_pointer()].is_object()) {
          changed[place.parent_pointer()].erase(place.back());
        }
        sample.text = comments + changed.dump();  // JSON is YAML
        INFO(sample.name << " " << place.to_string() << " " << i);
        const bool read_it = read(sample).errors().empty();
        if (read_it) CHECK(schema(sample.workspace).accepts(changed));
        ++tried;
      }
    }
  }
  CHECK(tried > 5'000);
}

TEST_CASE("no truncation of a good file does worse than errors") {
  for (const Sample& sample : samples("good")) {
    if (sample.name != "sketch.yaml" && sample.name != "workspace-full.yaml") continue;
    for (size_t n = 0; n < sample.text.size(); ++n) {
      Sample cut = sample;
      cut.text.resize(n);
      CHECK_NOTHROW(read(cut));
    }
  }
}
