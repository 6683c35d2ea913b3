// `hook install`: a bare git repository that tells the daemon of every push.
#include <unistd.h>

#include <memory>

#include "pipeline/base/files.h"
#include "pipeline/cli/commands.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

constexpr const char* kMark = "# made by `lockstep hook install`";

fs::path own_program() {
  std::error_code failed;
  fs::path self = fs::read_symlink("/proc/self/exe", failed);
  return failed ? fs::path("lockstep") : self;
}

// Where git looks for hooks of a bare repository, or of a working tree.
fs::path hooks_folder(const fs::path& repository) {
  for (const fs::path& git : {repository, repository / ".git"}) {
    if (fs::is_regular_file(git / "HEAD") && fs::is_directory(git / "objects")) {
      return git / "hooks";
    }
  }
  throw Error(ErrorCode::kNotFound, "no git repository is there",
              "name a bare repository on this machine", repository.string());
}

// A push never fails or waits long because of us; what it prints would be shown to who pushes.
std::string script(const fs::path& workspace) {
  return std::string("#!/bin/sh\n") + kMark + ": the daemon looks as soon as a push is in\n" +
         "timeout 10 " + shell_word(own_program().string()) + " -C " +
         shell_word(workspace.string()) + " look </dev/null >/dev/null 2>&1 || :\n";
}

Json install(const fs::path& workspace, const fs::path& repository) {
  fs::path file = hooks_folder(repository) / "post-receive";
  if (fs::exists(fs::symlink_status(file))) {
    bool ours = fs::is_regular_file(fs::symlink_status(file)) &&
                real_files().read(file, 1 << 20).find(kMark) != std::string::npos;
    if (!ours) {
      throw Error(
          ErrorCode::kConflict, "the repository has a post-receive hook already",
          "add to it: lockstep -C " + shell_word(workspace.string()) + " look || :", file.string());
    }
  }
  real_files().write_atomic(file, script(workspace), 0755);
  return {{"hook", file.string()}, {"workspace", workspace.string()}};
}

}  // namespace

void add_hook_commands(Commands& commands) {
  auto* hook = commands.add("hook", "Access", "Hooks of git repositories on this machine",
                            "lockstep hook install /srv/git/code.git");
  hook->require_subcommand(1);
  auto* command = commands.add("install", "", "Have a repository tell the daemon of every push",
                               "lockstep hook install /srv/git/code.git", hook);
  auto repository = std::make_shared<std::string>();
  command->add_option("REPO", *repository, "A bare repository")->required();
  commands.on(command, [repository](Context& context) {
    fs::path place = fs::absolute(context.folder() / *repository).lexically_normal();
    return context.show(install(context.workspace(), place), [&](const Doc& doc) {
      return transcript_line(context.style(), "made", doc.text("hook"));
    });
  });
}

}  // namespace lockstep
