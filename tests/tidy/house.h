// The house rules as data: who may include whom, what may stand where, how long things may be.
// Knows nothing of how the rules are checked (rules.h) and reads no file.
#pragma once

#include <string>
#include <vector>

namespace lockstep::tidy {

struct Room {
  std::string folder;
  std::vector<std::string> includes;   // rooms, or single headers where only those are shared
  std::vector<std::string> libraries;  // by the names in kLibraries
};

// In the order data flows. base brings the JSON and text libraries to everyone who includes it.
// `lockstep-torch` is apart from the engine, the runner knows nobody, and nobody includes daemon.
inline const std::vector<Room> kRooms = {
    {"pipeline/base", {}, {"openssl", "json", "fmt"}},
    {"pipeline/systemd", {"pipeline/base"}, {"systemd"}},
    {"pipeline/formats", {"pipeline/base"}, {"flatbuffers"}},
    {"pipeline/calendar", {"pipeline/base"}, {"absl"}},
    {"pipeline/yaml", {"pipeline/base"}, {"yaml-cpp"}},
    {"pipeline/core", {"pipeline/base"}, {}},
    {"pipeline/snapshot", {"pipeline/base", "pipeline/core", "pipeline/formats"}, {}},
    {"pipeline/imports", {"pipeline/base", "pipeline/core", "pipeline/formats"}, {}},
    {"registry/gates", {"pipeline/base", "pipeline/formats"}, {}},
    {"registry/rules", {"pipeline/base", "pipeline/core"}, {}},
    {"workflows/language",
     {"pipeline/base", "pipeline/calendar", "pipeline/core", "pipeline/yaml"},
     {}},
    {"connectors/git", {"pipeline/base", "pipeline/core"}, {"libgit2"}},
    {"connectors/git_repo",
     {"pipeline/base", "pipeline/core", "pipeline/formats", "pipeline/yaml", "connectors/git"},
     {"libgit2"}},
    {"connectors/git_tables",
     {"pipeline/base", "pipeline/core", "pipeline/formats", "pipeline/yaml", "connectors/git"},
     {"libgit2"}},
    {"connectors/sql", {"pipeline/base", "pipeline/core"}, {"mysqlcppconn"}},
    {"connectors/sql_bulk",
     {"pipeline/base", "pipeline/core", "pipeline/formats", "connectors/sql"},
     {"libmariadb"}},
    {"connectors/dolt", {"pipeline/base", "pipeline/core", "connectors/sql"}, {}},
    {"connectors/mysql",
     {"pipeline/base", "pipeline/core", "pipeline/snapshot", "connectors/sql"},
     {}},
    {"connectors/http", {"pipeline/base", "pipeline/formats"}, {"httplib", "openssl"}},
    {"connectors/oci_layout", {"pipeline/base", "pipeline/core", "pipeline/formats"}, {}},
    {"connectors/oci_registry",
     {"pipeline/base", "pipeline/core", "pipeline/formats", "connectors/http",
      "connectors/oci_layout"},
     {"openssl"}},
    {"connectors/download",
     {"pipeline/base", "connectors/http/network.h", "connectors/http/url.h"},
     {"boost", "openssl"}},
    {"connectors/forge", {"pipeline/base", "connectors/http"}, {"openssl"}},
    {"pipeline/store", {"pipeline/base", "pipeline/core"}, {"sqlite"}},
    {"registry/ledger",
     {"pipeline/base", "pipeline/core", "registry/rules", "pipeline/store"},
     {"sqlite"}},
    {"pipeline/exec",
     {"pipeline/base", "pipeline/core", "pipeline/formats", "pipeline/snapshot", "pipeline/runner"},
     {}},
    {"pipeline/survey", {"pipeline/base", "pipeline/core"}, {}},
    {"pipeline/engine", {"pipeline/base", "pipeline/core", "registry/rules"}, {}},
    {"pipeline/api",
     {"pipeline/base", "pipeline/core", "registry/ledger", "pipeline/engine"},
     {"boost", "openssl", "httplib"}},
    {"pipeline/cli", {"pipeline/base", "pipeline/api/wire.h"}, {"cli11"}},
    {"pipeline/daemon", {"*"}, {}},
    {"pipeline/runner", {"pipeline/base", "pipeline/systemd"}, {}},
    {"workflows/quality", {"pipeline/base", "pipeline/formats"}, {}},
    {"workflows/torch", {"pipeline/base", "pipeline/formats"}, {"torch", "cli11"}},
    {"examples", {"pipeline/base", "pipeline/formats"}, {}},
};

struct Library {
  std::string name;
  std::vector<std::string> headers;  // beginnings of what stands between < and >
};

// Everything from outside that some room includes; a header of none of these is refused.
inline const std::vector<Library> kLibraries = {
    {"openssl", {"openssl/"}},
    {"json", {"nlohmann/"}},
    {"fmt", {"fmt/"}},
    {"flatbuffers", {"flatbuffers/"}},
    {"spdlog", {"spdlog/"}},
    {"yaml-cpp", {"yaml-cpp/"}},
    {"libgit2", {"git2.h", "git2/"}},
    {"sqlite", {"sqlite3.h"}},
    {"mysqlcppconn", {"mysql_connection.h", "mysql_driver.h", "cppconn/"}},
    {"libmariadb", {"mysql.h", "errmsg.h"}},
    {"boost", {"boost/"}},
    {"httplib", {"httplib.h"}},
    {"cli11", {"CLI/"}},
    {"torch", {"torch/", "ATen/", "c10/"}},
    {"absl", {"absl/"}},
    {"systemd", {"systemd/"}},
    {"prometheus", {"prometheus/"}},
    {"catch2", {"catch2/"}},
};
inline const std::vector<std::string> kBroughtByBase = {"json", "fmt"};

// Headers of the system (the C++ library's have no dot and need no entry).
inline const std::vector<std::string> kSystemHeaders = {
    "sys/",     "netinet/",  "arpa/",     "linux/",    "dirent.h", "dlfcn.h",
    "errno.h",  "fcntl.h",   "link.h",    "strings.h", "grp.h",    "netdb.h",
    "poll.h",   "pthread.h", "pwd.h",     "sched.h",   "signal.h", "spawn.h",
    "stdlib.h", "string.h",  "termios.h", "time.h",    "unistd.h",
};

// Absences that the architecture rests on: words that may not occur in a folder.
struct Absence {
  std::string folder;  // "": everywhere
  std::string word;
  std::string why;
};
inline const std::vector<Absence> kAbsences = {
    {"", "#include <format>", "g++ 12 has none: use fmt"},
    {"", "#include <source_location>", "clang 14 has none"},
    {"", "#include <ranges>", "no view pipelines: clang 14 does not take them"},
    {"", "throw std::", "throw only lockstep::Error"},
    {"pipeline/core", "_clock", "core never reads a clock"},
    {"pipeline/core", "#include <thread>", "core has no threads"},
    {"pipeline/core", "#include <fstream>", "core touches no files"},
    {"registry/gates", "_clock", "gates never read a clock"},
    {"registry/gates", "#include <fstream>", "gates touch no files"},
    {"registry/gates", "#include <random>", "its distributions differ between libraries"},
    {"registry/rules", "_clock", "rules never read a clock"},
    {"registry/rules", "#include <fstream>", "rules touch no files"},
    {"workflows/quality", "_clock", "what is said of rows follows from the rows"},
    {"workflows/quality", "#include <fstream>", "rows are given, not read"},
    {"workflows/quality", "#include <random>", "its distributions differ between libraries"},
    {"pipeline/engine", "_clock", "the engine reads no clock but the one it is given"},
    {"pipeline/engine", "SystemClock", "the engine reads no clock but the one it is given"},
    {"pipeline/engine", "#include <thread>", "the engine has no threads"},
    {"pipeline/engine", "#include <fstream>", "the engine touches no files"},
};

// Words of other systems that mean something else there (GLOSSARY has ours).
inline const std::vector<std::string> kRefusedTypeNames = {"Job", "Node", "Task", "Pipeline"};

inline const std::vector<std::string> kTopLevel = {
    "README.md",   "LICENSE",    "CMakeLists.txt", ".ci",      ".clang-format",
    ".clang-tidy", ".gitignore", "pipeline",       "registry", "workflows",
    "connectors",  "examples",   "tests",          "docs",
};

// Never looked into: what .gitignore names.
inline const std::vector<std::string> kNotOurs = {".git", "build", "out", ".cache",
                                                  "compile_commands.json"};

// Files that are wrong on purpose: what readers must refuse.
inline const std::string kWrongOnPurpose = "/corpus/";

// Places of one machine that must not show in the tree; split so that this file may name them.
inline const std::vector<std::string> kMachinePaths = {
    std::string("/wo") + "rk/", std::string("/ro") + "ot/", std::string("/fa") + "rm/",
    std::string("bash") + "_jobs"};

// Promises of later work: finish it, or leave it out and say so in docs/.
inline const std::vector<std::string> kOpenEnds = {
    std::string("TO") + "DO", std::string("FIX") + "ME", std::string("XX") + "X"};

constexpr int kMaxFunctionLines = 70;
constexpr int kMaxFileLines = 500;
constexpr int kMaxColumns = 100;  // of C++, scripts and CMakeLists.txt

}  // namespace lockstep::tidy
