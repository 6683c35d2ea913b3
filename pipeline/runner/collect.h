// What an attempt left behind, and its result as a document.
// Knows nothing of how the program ran.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "pipeline/base/digest.h"
#include "pipeline/runner/order.h"
#include "pipeline/runner/workspace.h"

namespace lockstep {

struct KeptOutput {
  Digest digest;
  uint64_t size = 0;  // of a folder: of its listing
  bool folder = false;
};

struct Outcome {
  std::string end = "failed";  // succeeded, failed, cancelled, lost
  std::string error;
  int exit_code = -1;  // -1: did not exit by itself
  int signal = 0;
  bool warm = false;  // it ran in a warm worker that waits for the next attempt
  std::map<std::string, KeptOutput> outputs;
  std::map<Digest, uint64_t> blobs;  // every file in kept/, with its size
  std::string metrics;               // text of the output named metrics
  std::string environment;           // text of environment.json
  int64_t started_ms = 0, finished_ms = 0, user_ms = 0, system_ms = 0;
  uint64_t peak_memory_bytes = 0, log_bytes = 0;
};

// Hashes every declared output and moves the bytes to kept/. Throws invalid, naming them, when
// outputs are missing or of a refused kind.
void collect_outputs(const Order& order, const AttemptPaths& paths, Outcome& outcome);

Json outcome_json(const std::string& id, const Outcome& outcome);

}  // namespace lockstep
