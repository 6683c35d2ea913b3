// The job templates of examples/ci: YAML that loads, calling commands that are there.
#include <sstream>

#include "pipeline/yaml/yaml.h"
#include "tests/catch.h"
#include "tests/pipeline/cli/shell.h"

using namespace lockstep;

namespace {

// The lines of every script below `node`: values of `run`, items of `script` and `after_script`.
void scripts(const YamlNode& node, const std::string& key, std::vector<std::string>& lines) {
  bool script = key == "run" || key == "script" || key == "after_script";
  if (node.is_scalar() && script) {
    std::istringstream text(node.text());
    for (std::string line; std::getline(text, line);) lines.push_back(line);
  }
  for (const YamlNode& item : node.items()) scripts(item, key, lines);
  for (const YamlEntry& entry : node.entries()) scripts(entry.value, entry.key, lines);
}

std::vector<std::string> words(const std::string& line) {
  std::istringstream text(line);
  std::vector<std::string> out;
  for (std::string word; text >> word;) out.push_back(word);
  return out;
}

}  // namespace

TEST_CASE("the templates for CI load, and call commands and options that are there") {
  for (const char* name : {"github.yml", "gitlab.yml"}) {
    INFO(name);
    fs::path file = fs::path(LOCKSTEP_SOURCE_DIR) / "examples/ci" / name;
    std::vector<std::string> lines;
    scripts(load_yaml(real_files().read(file), name), "", lines);
    std::vector<std::string> asked;
    for (const std::string& line : lines) {
      INFO(line);
      std::vector<std::string> call = words(line);
      REQUIRE(call.size() >= 2);
      CHECK(call.front() == "lockstep");
      call.erase(call.begin());
      Shell shell;
      Shell::Printed printed = shell.run(call);
      INFO(printed.err);
      CHECK(printed.code == 0);
      asked.push_back(shell.backend.asked().front().name);
      if (call.front() == "trigger") {
        CHECK(shell.backend.asked().front().arguments.at("workflow") == "intents");
      }
    }
    CHECK(asked == std::vector<std::string>{"status", "trigger", "lag"});
  }
}

TEST_CASE("the templates for CI name the variables that the command reads") {
  for (const char* name : {"github.yml", "gitlab.yml"}) {
    std::string text = real_files().read(fs::path(LOCKSTEP_SOURCE_DIR) / "examples/ci" / name);
    for (const char* variable : {"LOCKSTEP_SERVER", "LOCKSTEP_TOKEN"}) {
      CHECK(text.find(variable) != text.npos);
    }
  }
}
