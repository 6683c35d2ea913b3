// Runs the command line against the real routes and a fake backend, and keeps what it printed.
#pragma once

#include <fstream>
#include <sstream>

#include "pipeline/api/api.h"
#include "pipeline/cli/cli.h"
#include "tests/fake/backend.h"

namespace lockstep {

struct FakeClock : Clock {
  int64_t now = 0;
  int64_t step = 0;  // per reading
  int64_t now_ms() override { return now += step; }
};

class Shell {
 public:
  Shell() { std::ofstream(folder.path() / kWorkspaceFile) << "x"; }

  struct Printed {
    int code;
    std::string out, err;
  };

  Printed run(const std::vector<std::string>& words) {
    std::ostringstream out, err;
    CliEnvironment environment;
    environment.open = [this](const fs::path& found) {
      workspace = found;
      if (unavailable) throw Error(ErrorCode::kUnavailable, "the store is away", "wait");
      return [this](ApiRequest request) {
        request.role = "admin";
        request.peer = "socket";
        return api.handle(request);
      };
    };
    environment.serve = [this](const fs::path& found, const ServeOptions& options) {
      workspace = found;
      return options.verbose ? 7 : 0;
    };
    environment.init = [](const fs::path& where, const InitOptions& options) {
      return Json{{"workspace", where.filename().string()},
                  {"created", {"lockstep.yaml"}},
                  {"next", {"lockstep check"}},
                  {"from", options.from}};
    };
    environment.out = &out;
    environment.err = &err;
    environment.terminal = terminal;
    environment.folder = here.empty() ? folder.path() : here;
    environment.clock = &clock;
    std::vector<const char*> argv = {"lockstep"};
    for (const std::string& word : words) argv.push_back(word.c_str());
    int code = run_cli(static_cast<int>(argv.size()), argv.data(), environment);
    return {code, out.str(), err.str()};
  }

  TempFolder folder;
  fs::path here, workspace;
  bool unavailable = false;
  Terminal terminal{false, false, true, 80};
  FakeClock clock;
  FakeBackend backend;
  Api api{backend};
};

}  // namespace lockstep
