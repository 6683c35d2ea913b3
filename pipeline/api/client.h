// A way to the API over a daemon's Unix socket, one connection per call.
// Knows nothing of routes or documents.
#pragma once

#include <chrono>

#include "pipeline/api/wire.h"
#include "pipeline/base/files.h"

namespace lockstep {

struct ClientTimes {
  std::chrono::milliseconds connect{5'000};
  std::chrono::milliseconds read{120'000};   // a GET: questions, long polls included
  std::chrono::milliseconds act{7'200'000};  // a POST: replay trains, push uploads
};

class ApiClient {
 public:
  explicit ApiClient(fs::path socket, ClientTimes times = {});
  // Throws unavailable (nobody listens, no answer in time), denied (not your daemon) or corrupt
  // (what answers is no lockstep). The daemon's own errors are answers.
  ApiResponse call(const ApiRequest& request) const;
  ApiCall as_call() const;

 private:
  fs::path socket_;
  ClientTimes times_;
};

}  // namespace lockstep
