// The command line: reads arguments, speaks the API, prints for people or as one JSON document,
// and gives the exit code. Knows nothing of what is behind the API, nor how a daemon is made.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>

#include "pipeline/api/wire.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/files.h"

namespace lockstep {

// Exit codes (docs/CLI.md).
enum ExitCode : int {
  kExitDone = 0,
  kExitFailed = 1,       // the work failed: a step, a check, a comparison
  kExitUsage = 2,        // wrong usage or configuration, or no such thing
  kExitUnavailable = 3,  // something needed is not there now
  kExitRefused = 4       // conflict, pin, permission, a held change
};

struct ServeOptions {
  bool verbose = false;
  std::string log_format = "text";  // or "json"
};

struct InitOptions {
  std::string from;  // a repository whose workflows to begin with, or empty
};

struct RestoreOptions {
  fs::path file, into;  // absolute; `into` empty with `verify`
  bool verify = false;  // read all of it, change nothing
  bool force = false;   // also where there is a state, which is kept beside
};
struct PullOptions {
  std::string from;  // HOST[:PORT]/REPOSITORY[:TAG|@DIGEST]
  fs::path to;       // absolute
  fs::path ca_file;  // absolute, or empty
  bool plain_http = false;
};

using RestoreProgress = std::function<void(uint64_t done, uint64_t bytes)>;

// What the streams are connected to.
struct Terminal {
  bool out = false;        // stdout is a terminal
  bool err = false;        // stderr is one: progress is drawn there
  bool colour = true;      // false under NO_COLOR (https://no-color.org) or TERM=dumb
  size_t columns = 80;     // of stderr
  std::string pager = "";  // what long answers on a terminal are shown with; empty: nothing
  static Terminal real();  // of this process
};

// What the command line needs from outside; the daemon's main() gives the real things.
struct CliEnvironment {
  // The API of a workspace: its daemon's socket, or the routes of this process.
  std::function<ApiCall(const fs::path& workspace)> open;
  // The API of a daemon elsewhere, which then is the one that is spoken to; gives null where the
  // environment names none. Null: never.
  std::function<ApiCall()> remote;
  // Serves until stopped; gives the exit code.
  std::function<int(const fs::path& workspace, const ServeOptions&)> serve;
  // Makes a workspace: {"workspace","created":[file…],"next":[text…]}
  std::function<Json(const fs::path& folder, const InitOptions&)> init;
  // Brings a workspace back: {"workspace","file","created","above","files","bytes","kept"|null,
  // "notes":[text…],"next":[text…]}; with `verify` {"ok","file","created","lockstep","artifacts",
  // "files","bytes","runs","models","releases","missing":[{"sha256","of"}],"problems":[text…]}.
  std::function<Json(const RestoreOptions&, const RestoreProgress&)> restore;
  // Brings a release's models from a registry, without any workspace: {"from","to","tag","image",
  // "content","models":[{"name","version","sha256","path"}],"files","bytes","layers"}.
  std::function<Json(const PullOptions&)> pull;
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  Terminal terminal;
  fs::path folder;         // the current one
  Clock* clock = nullptr;  // paces progress; null: the system's
};

inline constexpr const char* kWorkspaceFile = "lockstep.yaml";

// Never throws; prints every error. `argv` as main() gets it.
int run_cli(int argc, const char* const* argv, const CliEnvironment& environment);

// The folder with lockstep.yaml at or above `folder`; throws not_found.
fs::path find_workspace(const fs::path& folder);
int exit_code(ErrorCode code);

}  // namespace lockstep
