// The folders of one attempt and the environment its program sees.
// Knows nothing of how the program is started or what becomes of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "pipeline/base/digest.h"
#include "pipeline/runner/order.h"

namespace lockstep {

// Where a runner keeps things; all below its state folder.
struct RunnerPaths {
  std::filesystem::path state;
  std::filesystem::path blobs() const { return state / "blobs"; }
  std::filesystem::path incoming() const { return state / "incoming"; }
  std::filesystem::path attempts() const { return state / "attempts"; }
  std::filesystem::path checkpoints() const { return state / "checkpoints"; }
  std::filesystem::path checkpoint(const std::string& key) const {
    return checkpoints() / sha256(key).hex();
  }
};

// Paths below attempts/<id>/ (docs/formats/runner.md).
struct AttemptPaths {
  std::filesystem::path folder;
  std::filesystem::path order() const { return folder / "order.json"; }
  std::filesystem::path pid() const { return folder / "pid"; }
  std::filesystem::path log() const { return folder / "log"; }
  std::filesystem::path metrics() const { return folder / "metrics.jsonl"; }
  std::filesystem::path result() const { return folder / "result.json"; }
  std::filesystem::path work() const { return folder / "work"; }
  std::filesystem::path in() const { return folder / "in"; }
  std::filesystem::path out() const { return folder / "out"; }
  std::filesystem::path tmp() const { return folder / "tmp"; }
  std::filesystem::path kept() const { return folder / "kept"; }
};

struct Program {
  std::vector<std::string> argv;
  std::vector<std::string> env;
  std::filesystem::path folder;
  std::filesystem::path pipe;  // where a warm worker writes the attempt's output
};

// Makes work/, in/, out/ and tmp/, exports the code, copies the inputs (read-only), writes the
// script and the `with` file. `action` is the program behind `uses`. Throws unavailable
// when bytes or space are missing.
Program prepare_workspace(const Order& order, const RunnerPaths& runner, const AttemptPaths& paths,
                          const std::string& action);

// Removes a tree, whatever permissions its folders were left with; follows no links.
void remove_tree(const std::filesystem::path& folder);

// Files of a folder listing held in `blobs`.
std::vector<Digest> listed_digests(const std::filesystem::path& listing);

}  // namespace lockstep
