// Labelled kills, by this very program started again with the variables set.
#include "pipeline/base/point.h"

#include <csignal>
#include <filesystem>

#include "pipeline/base/files.h"
#include "pipeline/base/process.h"
#include "tests/catch.h"

using namespace lockstep;

// What is started again: passes one label three times, and another once.
TEST_CASE("point: passing", "[.]") {
  for (int i = 0; i < 3; ++i) point("test.first");
  point("test.first.more");
}

namespace {

using Environment = std::vector<std::pair<std::string, std::string>>;

// The signal that ended it; 0: it came to its end.
int ended_by(const Environment& env) {
  ProcessRequest request;
  request.argv.push_back(fs::read_symlink("/proc/self/exe").string());
  request.argv.emplace_back("point: passing");
  request.env = env;
  const ProcessResult result = run_process(request);
  return result.ok() ? 0 : result.signal ? result.signal : -1;
}

Environment kill_at(const std::string& label, const std::string& marker = "") {
  Environment env;
  env.emplace_back("LOCKSTEP_KILL_AT", label);
  if (!marker.empty()) env.emplace_back("LOCKSTEP_KILLED", marker);
  return env;
}

}  // namespace

TEST_CASE("point: a process dies at its label, and nowhere else") {
  CHECK(ended_by({}) == 0);
  CHECK(ended_by(kill_at("")) == 0);
  CHECK(ended_by(kill_at("test.first")) == SIGKILL);
  CHECK(ended_by(kill_at("test.first:3")) == SIGKILL);
  CHECK(ended_by(kill_at("test.first:4")) == 0);
  CHECK(ended_by(kill_at("test.first.more")) == SIGKILL);
  CHECK(ended_by(kill_at("test.firs")) == 0);
}

TEST_CASE("point: only one process dies where a file tells that one has") {
  TempFolder folder;
  const fs::path marker = folder.path() / "killed";
  CHECK(ended_by(kill_at("test.first:2", marker.string())) == SIGKILL);
  CHECK(fs::exists(marker));
  CHECK(ended_by(kill_at("test.first:2", marker.string())) == 0);
}
