#include "pipeline/runner/workspace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/base/fd.h"
#include "pipeline/base/files.h"
#include "pipeline/base/folder.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxListingBytes = 256ull << 20;

[[noreturn]] void failed(const char* verb, const fs::path& path) {
  std::string hint = errno == ENOSPC ? "free some space on the runner's disk" : "";
  throw Error(ErrorCode::kUnavailable,
              fmt::format("cannot {} {}: {}", verb, path.string(), std::strerror(errno)), hint);
}

void make_folder(const fs::path& folder) {
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) failed("create", folder);
}

void write_new(const fs::path& file, std::string_view bytes) {
  Fd fd(open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.open()) failed("create", file);
  while (!bytes.empty()) {
    ssize_t n = write(fd.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) failed("write", file);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

// A real copy (or a reflink): a step may run as the owner of the blobs, and must not be able to
// change them through a hard link.
void copy_blob(const fs::path& blob, const fs::path& file, int mode) {
  Fd from(open(blob.c_str(), O_RDONLY | O_CLOEXEC));
  if (!from.open()) failed("read", blob);
  Fd to(open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!to.open()) failed("create", file);
  if (ioctl(to.get(), FICLONE, from.get()) != 0) {
    ssize_t n = 1;
    while (n > 0 || (n < 0 && errno == EINTR)) {
      n = copy_file_range(from.get(), nullptr, to.get(), nullptr, 1 << 30, 0);
    }
    if (n < 0) failed("copy", file);
  }
  if (fchmod(to.get(), static_cast<mode_t>(mode)) != 0) failed("protect", file);
}

void export_folder(const RunnerPaths& runner, const Digest& digest, const fs::path& folder,
                   bool writable) {
  std::string listing = real_files().read(runner.blobs() / digest.hex(), kMaxListingBytes);
  int mode = writable ? 0600 : 0400;
  fs::create_directories(folder);
  for (const FolderEntry& entry : parse_folder_listing(listing)) {
    fs::path file = folder / entry.path;
    fs::create_directories(file.parent_path());
    copy_blob(runner.blobs() / entry.digest.hex(), file, mode | (entry.executable ? 0100 : 0));
  }
  if (writable) return;
  for (const auto& item : fs::recursive_directory_iterator(folder)) {
    if (item.is_directory()) chmod(item.path().c_str(), 0500);
  }
  chmod(folder.c_str(), 0500);
}

void make_inputs(const Order& order, const RunnerPaths& runner, const fs::path& in) {
  make_folder(in);
  for (const OrderInput& input : order.inputs) {
    fs::path folder = in / input.name;
    make_folder(folder);
    if (input.folder) {
      export_folder(runner, input.digest, folder / input.file, false);
    } else {
      copy_blob(runner.blobs() / input.digest.hex(), folder / input.file, 0400);
    }
    chmod(folder.c_str(), 0500);
  }
  chmod(in.c_str(), 0500);
}

std::vector<std::string> environment(const Order& order, const RunnerPaths& runner,
                                     const AttemptPaths& paths) {
  const char* path = std::getenv("PATH");
  std::map<std::string, std::string> env = {
      {"PATH", path && *path ? path : "/usr/local/bin:/usr/bin:/bin"},
      {"HOME", paths.tmp()},
      {"TMPDIR", paths.tmp()}};
  for (const auto& [name, value] : order.env) env[name] = value;
  for (const auto& [name, value] : order.secrets) env[name] = value;
  for (const OrderInput& input : order.inputs) {
    env[input_variable(input.name)] = paths.in() / input.name / input.file;
  }
  env["LOCKSTEP_OUTPUT"] = paths.out();
  env["LOCKSTEP_OUTPUTS"] = canonical_json(Json(order.outputs));
  env["LOCKSTEP_METRICS"] = paths.metrics();
  env["LOCKSTEP_CHECKPOINT"] =
      order.checkpoint.empty() ? paths.tmp() : runner.checkpoint(order.checkpoint);
  env["LOCKSTEP_STEP"] = order.step;
  env["LOCKSTEP_SEED"] = std::to_string(order.seed);
  env["LOCKSTEP_WITH"] = paths.folder / "with.json";
  env["CUDA_VISIBLE_DEVICES"] = order.cuda;
  std::vector<std::string> out;
  for (const auto& [name, value] : env) out.push_back(name + "=" + value);
  return out;
}

std::vector<std::string> arguments(const Order& order, const AttemptPaths& paths,
                                   const std::string& action) {
  if (!order.uses.empty()) return {action, "run", order.uses};
  if (order.shell.empty()) return order.argv;
  fs::path script = paths.folder / "script";
  write_new(script, order.shell);
  return {"/bin/sh", "-e", script};
}

}  // namespace

Program prepare_workspace(const Order& order, const RunnerPaths& runner, const AttemptPaths& paths,
                          const std::string& action) {
  try {
    make_folder(paths.out());
    make_folder(paths.tmp());
    if (order.code) {
      export_folder(runner, *order.code, paths.work(), true);
    } else {
      make_folder(paths.work());
    }
    if (!order.inputs.empty()) make_inputs(order, runner, paths.in());
    for (const auto& [name, path] : order.outputs) {
      if (path.find('/') != path.npos) fs::create_directories((paths.out() / path).parent_path());
    }
    if (!order.checkpoint.empty()) make_folder(runner.checkpoint(order.checkpoint));
    write_new(paths.folder / "with.json", order.with);
    Program program;
    program.argv = arguments(order, paths, action);
    program.env = environment(order, runner, paths);
    program.folder = paths.work();
    program.pipe = paths.folder / "pipe";
    return program;
  } catch (const fs::filesystem_error& e) {
    throw Error(ErrorCode::kUnavailable, std::string("cannot prepare the attempt: ") + e.what());
  }
}

void remove_tree(const fs::path& folder) {
  if (rmdir(folder.c_str()) == 0 || errno == ENOENT) return;  // most are empty
  std::error_code failed_once, ignored;
  fs::remove_all(folder, failed_once);
  if (!failed_once) return;
  chmod(folder.c_str(), 0700);
  for (fs::recursive_directory_iterator at(folder, ignored), end; at != end;
       at.increment(ignored)) {
    // Before the iterator steps into it: a folder without its read bit could not be listed.
    if (at->symlink_status(ignored).type() == fs::file_type::directory) {
      chmod(at->path().c_str(), 0700);
    }
  }
  fs::remove_all(folder, ignored);
}

std::vector<Digest> listed_digests(const fs::path& listing) {
  std::vector<Digest> digests;
  for (const FolderEntry& entry :
       parse_folder_listing(real_files().read(listing, kMaxListingBytes))) {
    digests.push_back(entry.digest);
  }
  return digests;
}

}  // namespace lockstep
