// Runs lockstep-torch as a process for tests, cold or as a warm worker.
// Knows nothing of what it is asked to do.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "pipeline/base/json.h"

namespace lockstep {

struct Ended {
  int exit = -1;
  std::string out;
  std::string err;
};

using Arguments = std::vector<std::string>;
using Environment = std::map<std::string, std::string>;

// Adds `environment` to this process's; `input` is what it reads.
Ended run_binary(const Arguments& arguments, const Environment& environment = {},
                 const std::string& input = "");

// `lockstep-torch serve`; ends with the object.
class WarmWorker {
 public:
  WarmWorker();
  ~WarmWorker();
  WarmWorker(const WarmWorker&) = delete;
  WarmWorker& operator=(const WarmWorker&) = delete;
  Json ask(const Json& request);
  Json ask_line(const std::string& line);
  void send(const std::string& line);
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
};

}  // namespace lockstep
