// Warm `lockstep-torch serve` processes, waiting for an attempt: libtorch is loaded once, not per
// attempt.
// Knows nothing of attempts; one worker serves one at a time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/base/fd.h"

namespace lockstep {

struct Worker {
  pid_t pid = 0;  // leads a session and group of its own
  Fd pidfd;       // readable when it has died
  Fd requests;    // one JSON line per attempt; the worker leaves when it is closed everywhere
  Fd answers;     // one JSON line {"id", "exit", "message"} back
  int64_t idle_since_ms = 0;
};

class Workers {
 public:
  // `most` workers at a time, busy ones included; 0: none ever.
  Workers(std::string torch, size_t most) : torch_(std::move(torch)), most_(most) {}
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // A live idle worker, or nothing.
  std::unique_ptr<Worker> take();
  // `clean`: it has answered and waits for the next attempt; else it is ended.
  void give_back(std::unique_ptr<Worker> worker, bool clean);
  // Starts one more, unless there are enough or they keep dying.
  void grow();
  // Ends workers that had nothing to do for ten minutes.
  void tidy();

 private:
  std::string torch_;
  size_t most_, busy_ = 0;
  int deaths_ = 0;  // in a row, without a clean return between them
  std::vector<std::unique_ptr<Worker>> idle_;
};

}  // namespace lockstep
