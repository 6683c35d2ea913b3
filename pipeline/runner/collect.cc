#include "pipeline/runner/collect.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/base/folder.h"
#include "pipeline/base/point.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxReport = 1 << 20;  // metrics.json, environment.json

// A hard link shares its bytes with a file outside: those are copied, everything else moved.
void keep(const fs::path& file, const Digest& digest, uint64_t size, const AttemptPaths& paths,
          Outcome& outcome) {
  fs::path to = paths.kept() / digest.hex();
  bool shared = fs::hard_link_count(file) > 1;
  if (shared) {
    fs::copy_file(file, to, fs::copy_options::overwrite_existing);
  } else {
    fs::rename(file, to);
  }
  if (shared && hash_file(to).digest != digest) {
    throw Error(ErrorCode::kInvalid, file.filename().string() + " changed while it was collected");
  }
  outcome.blobs[digest] = size;
  point("shim.output.kept");
}

KeptOutput keep_folder(const fs::path& folder, const AttemptPaths& paths, Outcome& outcome) {
  std::vector<FolderEntry> entries = scan_folder(folder);
  for (const FolderEntry& entry : entries) {
    keep(folder / entry.path, entry.digest, entry.size, paths, outcome);
  }
  std::string listing = folder_listing(entries);
  KeptOutput output{sha256(listing), listing.size(), true};
  fs::path file = paths.tmp() / "listing";
  real_files().write_atomic(file, listing, 0600);
  keep(file, output.digest, output.size, paths, outcome);
  return output;
}

// Text of a small report that the program wrote; empty when there is none.
std::string report(const fs::path& file, std::string_view what) {
  struct stat info {};
  if (lstat(file.c_str(), &info) != 0) return "";
  if (!S_ISREG(info.st_mode)) {
    throw Error(ErrorCode::kInvalid, std::string(what) + " is not a plain file");
  }
  std::string text = real_files().read(file, kMaxReport);
  if (!valid_utf8(text)) throw Error(ErrorCode::kInvalid, std::string(what) + " is not UTF-8");
  return text;
}

std::string missing_outputs(const Order& order, const AttemptPaths& paths) {
  std::string missing;
  for (const auto& [name, path] : order.outputs) {
    struct stat info {};
    if (lstat((paths.out() / path).c_str(), &info) == 0) continue;
    missing += fmt::format("{}`{}` ({})", missing.empty() ? "" : ", ", name, path);
  }
  return missing;
}

// A link in the middle of an output's path would lead outside.
void check_parents(const fs::path& out, const fs::path& path) {
  fs::path at = out;
  for (const fs::path& part : path.parent_path()) {
    at /= part;
    if (!fs::is_directory(fs::symlink_status(at))) {
      throw Error(ErrorCode::kInvalid, printable(path.string()) + " lies behind a link");
    }
  }
}

}  // namespace

void collect_outputs(const Order& order, const AttemptPaths& paths, Outcome& outcome) {
  if (std::string missing = missing_outputs(order, paths); !missing.empty()) {
    throw Error(ErrorCode::kInvalid,
                "exited with 0 but did not write the declared output " + missing);
  }
  if (!fs::is_directory(fs::symlink_status(paths.out()))) {
    throw Error(ErrorCode::kInvalid, "the output folder was replaced by something else");
  }
  try {
    outcome.environment = report(paths.out() / "environment.json", "environment.json");
    if (auto it = order.outputs.find("metrics"); it != order.outputs.end()) {
      check_parents(paths.out(), it->second);
      outcome.metrics = report(paths.out() / it->second, "the output `metrics`");
    }
    if (!order.outputs.empty()) fs::create_directory(paths.kept());
    for (const auto& [name, path] : order.outputs) {
      fs::path file = paths.out() / path;
      check_parents(paths.out(), path);
      if (fs::is_directory(fs::symlink_status(file))) {
        outcome.outputs[name] = keep_folder(file, paths, outcome);
        continue;
      }
      FileDigest hashed = hash_file(file);
      keep(file, hashed.digest, hashed.size, paths, outcome);
      outcome.outputs[name] = {hashed.digest, hashed.size, false};
    }
  } catch (const fs::filesystem_error& e) {
    throw Error(ErrorCode::kUnavailable, "cannot collect the outputs: " + e.code().message());
  }
}

Json outcome_json(const std::string& id, const Outcome& outcome) {
  Json outputs = Json::object(), blobs = Json::object();
  for (const auto& [name, output] : outcome.outputs) {
    outputs[name] = {
        {"digest", output.digest.str()}, {"size", output.size}, {"folder", output.folder}};
  }
  for (const auto& [digest, size] : outcome.blobs) blobs[digest.str()] = size;
  return {{"id", id},
          {"end", outcome.end},
          {"error", printable(outcome.error, 2000)},
          {"exit", outcome.exit_code},
          {"signal", outcome.signal},
          {"warm", outcome.warm},
          {"outputs", outputs},
          {"blobs", blobs},
          {"metrics", outcome.metrics},
          {"environment", outcome.environment},
          {"started_ms", outcome.started_ms},
          {"finished_ms", outcome.finished_ms},
          {"user_ms", outcome.user_ms},
          {"system_ms", outcome.system_ms},
          {"peak_memory_bytes", outcome.peak_memory_bytes},
          {"log_bytes", outcome.log_bytes}};
}

}  // namespace lockstep
