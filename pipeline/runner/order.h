// What a daemon asks a runner to do: one attempt, complete by digest, as checked values.
// Knows nothing of folders on this machine or of how programs are started.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"

namespace lockstep {

struct OrderInput {
  std::string name;
  std::string file;  // the file name the program sees
  Digest digest;
  bool folder = false;  // then the digest is that of a folder listing
};

struct Order {
  std::string id;
  std::string step;
  // Exactly one of these three says what runs.
  std::vector<std::string> argv;
  std::string uses;         // "torch/text-adapter", "data/quality"
  std::string shell;        // script text, run by /bin/sh -e
  std::string with = "{}";  // canonical JSON
  std::map<std::string, std::string> env;
  std::map<std::string, std::string> secrets;
  std::vector<OrderInput> inputs;
  std::optional<Digest> code;                  // folder listing
  std::map<std::string, std::string> outputs;  // name → path below the output folder
  std::string checkpoint;                      // key; empty: nothing is kept
  int64_t seed = 0;
  int64_t timeout_ms = 0;  // 0: none
  int64_t grace_ms = 10'000;
  std::string slot;
  std::string cuda;           // CUDA_VISIBLE_DEVICES; empty: no device
  uint64_t memory_bytes = 0;  // limit of private writable memory; 0: none
};

// Throws invalid, naming the field, for anything malformed, unknown, hostile or over its limit.
Order read_order(const Json& json);
// The same document again, without the secrets' values: fit for a disk.
Json write_order(const Order& order);

// [A-Za-z0-9][A-Za-z0-9._-]{0,127}: fit to name a folder.
bool valid_attempt_id(std::string_view id);
// "rows_HOLDOUT" → "LOCKSTEP_INPUT_ROWS_HOLDOUT".
std::string input_variable(std::string_view name);

}  // namespace lockstep
