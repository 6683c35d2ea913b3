// The documents say what the parser takes: every example is read, and every word is explained.
#include <set>
#include <sstream>

#include "pipeline/base/json.h"
#include "pipeline/yaml/yaml.h"
#include "tests/catch.h"
#include "tests/workflows/language/draft7.h"
#include "tests/workflows/language/fixture.h"

using namespace lockstep;

namespace {

std::vector<std::string> yaml_blocks(const std::string& markdown) {
  std::vector<std::string> blocks;
  std::istringstream lines(markdown);
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line == "```yaml") {
      blocks.emplace_back();
      inside = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      blocks.back() += line + "\n";
    }
  }
  return blocks;
}

bool is_workspace(const std::string& text) {
  return load_yaml(text, "f").find("sources") != nullptr;
}

void check_example(const std::string& text) {
  INFO(text);
  Diagnostics diagnostics;
  std::string name = is_workspace(text) ? "workspace" : "workflow";
  if (is_workspace(text)) {
    parse_workspace(text, "lockstep.yaml", diagnostics);
  } else {
    WorkspaceSources names = usual_names();
    if (text.find("  production:") != std::string::npos) names.channel = "production";
    read_workflow(text, diagnostics, names);
  }
  CHECK(texts(diagnostics.errors()) == std::vector<std::string>());
  CHECK(texts(diagnostics.warnings()) == std::vector<std::string>());
  std::string path = "workflows/language/" + name + ".schema.json";
  CHECK(Draft7(parse_json(project_file(path), path)).accepts(to_json(load_yaml(text, "f"))));
}

// Every word that a schema has under "properties", at any depth.
void collect_words(const Json& schema, std::set<std::string>& words) {
  if (!schema.is_structured()) return;
  if (schema.is_object() && schema.contains("properties")) {
    for (const auto& [word, inner] : schema["properties"].items()) words.insert(word);
  }
  for (const Json& inner : schema) collect_words(inner, words);
}

}  // namespace

TEST_CASE("every example of the documents is read without error") {
  for (const char* path : {"docs/WORKFLOWS.md", "docs/WORKSPACE.md"}) {
    std::vector<std::string> blocks = yaml_blocks(project_file(path));
    CHECK(blocks.size() >= 2);
    for (const std::string& block : blocks) check_example(block);
  }
}

TEST_CASE("the examples' own files are read without error") {
  size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(project_root() / "examples")) {
    if (entry.path().extension() != ".yaml") continue;
    INFO(entry.path().string());
    check_example(real_files().read(entry.path()));
    ++files;
  }
  CHECK(files >= 2);
}

TEST_CASE("every word of the languages stands in the documents") {
  for (std::string name : {"workflow", "workspace"}) {
    std::string path = "workflows/language/" + name + ".schema.json";
    std::set<std::string> words;
    collect_words(parse_json(project_file(path), path), words);
    CHECK(words.size() > 15);
    std::string text = project_file(name == "workflow" ? "docs/WORKFLOWS.md" : "docs/WORKSPACE.md");
    for (const std::string& word : words) {
      INFO(name << ": " << word);
      CHECK((text.find("`" + word + "`") != std::string::npos ||
             text.find("\n## " + word + "\n") != std::string::npos ||
             text.find("`" + word + ":") != std::string::npos));
    }
  }
}

TEST_CASE("the modeline of an example names a schema that exists") {
  for (const char* path : {"docs/WORKFLOWS.md", "docs/WORKSPACE.md"}) {
    std::string text = project_file(path);
    std::string begin = "# yaml-language-server: $schema=";
    size_t at = text.find(begin);
    REQUIRE(at != std::string::npos);
    std::string target = text.substr(at + begin.size(), text.find('\n', at) - at - begin.size());
    CHECK(fs::exists(project_root() / "docs" / target));
  }
}
