// The port that runs attempts: what is handed over, and what comes back.
// Knows nothing of plans, models or where the attempt runs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"
#include "pipeline/core/workflow.h"

namespace lockstep {

struct AttemptInput {
  std::string name;     // as declared; the holdout part of `rows` is `rows_HOLDOUT`
  std::string file;     // file name shown to the program
  bool folder = false;  // then the digest names a folder listing (docs/FORMATS.md)
  Digest digest;
};

// Everything an attempt needs, by digest: complete without the daemon's files.
struct AttemptSpec {
  std::string id;    // never used twice
  std::string step;  // shown to the program as LOCKSTEP_STEP
  std::string uses;  // action, or empty
  std::string run;   // shell text, or empty
  Json with = Json::object();
  std::map<std::string, std::string> env;
  std::map<std::string, std::string> secrets;  // name → value; never stored, never logged
  std::vector<AttemptInput> inputs;
  std::optional<Digest> code;  // folder listing exported into the working folder
  std::map<std::string, std::string> outputs;
  std::string checkpoint;  // key of the folder kept across attempts (the fingerprint)
  int64_t seed = 0;
  int64_t timeout_ms = 0;
  int64_t grace_ms = 10'000;
  std::string slot;         // name of the slot it holds
  std::string cuda_device;  // for CUDA_VISIBLE_DEVICES; empty: none
};

enum class AttemptEnd {
  kSucceeded,
  kFailed,  // the program's fault: counted as an attempt
  kLost,    // the machine's fault (dead runner, preemption): not counted
  kCancelled
};

struct AttemptResult {
  std::string id;
  AttemptEnd end = AttemptEnd::kFailed;
  std::string error;  // one line: "exited with 1", "ran past 10 min", "output `model` is missing"
  std::map<std::string, Digest> outputs;  // bytes are in Artifacts when the result is delivered
  std::map<std::string, bool> folders;    // outputs that are folders
  Json metrics = Json::object();          // name → finite number, from metrics.json
  Json environment = Json::object();      // as measured by the program, may be empty
  int64_t started_ms = 0, finished_ms = 0;
  uint64_t peak_memory_bytes = 0;
};

struct SlotInfo {
  std::string name;  // "local-1", "gpu0-2"
  std::string pool;
  std::string device;         // "cpu" or the CUDA index
  uint64_t memory_bytes = 0;  // 0: not limited
};

using ResultSink = std::function<void(AttemptResult)>;

class Executor {
 public:
  virtual ~Executor() = default;
  // Hands the attempt over; idempotent by id. Throws unavailable when the runner is not there.
  virtual void start(const AttemptSpec& spec) = 0;
  virtual void cancel(const std::string& id) = 0;
  // The result was recorded durably; the runner may free what it kept.
  virtual void collected(const std::string& id) = 0;
  // Attempt ids that the runner knows (running or finished and not yet collected).
  virtual std::vector<std::string> known() = 0;
  // Log bytes from `offset`, at most `max_bytes`; empty when there is no more yet.
  virtual std::string log(const std::string& id, uint64_t offset, uint64_t max_bytes) = 0;
  // Lines the program appended to LOCKSTEP_METRICS, from `offset`.
  virtual std::string live_metrics(const std::string& id, uint64_t offset) = 0;
  // Results are pushed here from the executor's own thread, each at least once until collected.
  virtual void on_result(ResultSink sink) = 0;
};

}  // namespace lockstep
