// A real repository in a folder that disappears with the test, made by the git program.
// Knows nothing of the classes under test.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/base/process.h"

namespace lockstep {

class GitFixture {
 public:
  explicit GitFixture(std::vector<std::string> init = {"init", "-q", "-b", "main"})
      : folder_(temp_.path() / "repo") {
    fs::create_directories(folder_);
    git(std::move(init));
  }

  const fs::path& folder() const { return folder_; }
  const fs::path& temp() const { return temp_.path(); }

  // Runs git in the repository; its output without the last line end. Throws when it fails.
  std::string git(std::vector<std::string> args) {
    args.insert(args.begin(), "git");
    ProcessRequest request;
    request.argv = args;
    request.folder = folder_.string();
    const char* path = std::getenv("PATH");
    request.env = {{"PATH", path ? path : "/usr/bin:/bin"},
                   {"HOME", temp_.path().string()},
                   {"GIT_CONFIG_GLOBAL", "/dev/null"},
                   {"GIT_CONFIG_NOSYSTEM", "1"},
                   {"GIT_AUTHOR_NAME", "Ann"},
                   {"GIT_AUTHOR_EMAIL", "ann@example.org"},
                   {"GIT_AUTHOR_DATE", "2026-03-03T14:00:00Z"},
                   {"GIT_COMMITTER_NAME", "Bob"},
                   {"GIT_COMMITTER_EMAIL", "bob@example.org"},
                   {"GIT_COMMITTER_DATE", date_}};
    ProcessResult result = run_process(request);
    if (!result.ok()) throw Error(ErrorCode::kUnavailable, "git " + args[1] + ": " + result.err);
    while (!result.out.empty() && result.out.back() == '\n') result.out.pop_back();
    return result.out;
  }

  void write(const std::string& path, std::string_view text) {
    fs::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path, std::ios::binary) << text;
  }

  // Commits everything there is; the new commit's id.
  std::string commit(const std::string& message = "change") {
    git({"add", "-A"});
    git({"commit", "-q", "--allow-empty", "-m", message});
    return git({"rev-parse", "HEAD"});
  }

  std::string blob(std::string_view bytes) { return object("blob", bytes); }

  struct RawEntry {
    std::string mode, name, id;
  };
  // A tree object with exactly these entries, however git would judge them.
  std::string raw_tree(const std::vector<RawEntry>& entries) {
    std::string bytes;
    for (const RawEntry& entry : entries) {
      bytes += entry.mode + " " + entry.name + '\0';
      for (size_t i = 0; i < entry.id.size(); i += 2) {
        bytes += static_cast<char>(std::stoi(entry.id.substr(i, 2), nullptr, 16));
      }
    }
    return object("tree", bytes);
  }
  // A commit of that tree, which `branch` then points to.
  std::string raw_commit(const std::string& tree, const std::string& branch = "main") {
    const std::string id = git({"commit-tree", tree, "-m", "raw"});
    git({"update-ref", "refs/heads/" + branch, id});
    return id;
  }

  void set_date(std::string date) { date_ = std::move(date); }

 private:
  std::string object(const std::string& type, std::string_view bytes) {
    const fs::path file = temp_.path() / "object";
    std::ofstream(file, std::ios::binary) << bytes;
    return git({"hash-object", "-t", type, "--literally", "-w", file.string()});
  }

  TempFolder temp_;
  fs::path folder_;
  std::string date_ = "2026-03-03T15:00:00Z";
};

// What `call` throws; an Error that no test expects where it throws nothing.
template <typename Call>
Error error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::kConflict, "nothing was thrown");
}

}  // namespace lockstep
