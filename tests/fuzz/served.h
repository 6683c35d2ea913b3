// The API over a backend that answers everything, on a real socket: what two targets send to.
// Knows nothing of what is sent.
#pragma once

#include <memory>

#include "pipeline/api/server.h"
#include "tests/fake/backend.h"

namespace lockstep::fuzz {

struct Served {
  Served() : server(api, folder.path() / "s", limits()) { server.start(); }
  static ServerLimits limits() {
    ServerLimits few;
    few.quick_workers = few.slow_workers = 1;
    few.header_bytes = 2048;
    few.body_bytes = 4096;
    few.hook_bytes = 8192;
    return few;
  }
  fs::path socket() const { return folder.path() / "s"; }

  TempFolder folder;
  FakeBackend backend;
  Api api{backend};
  ApiServer server;
};

// A new one now and then: the backend keeps all that it was asked.
inline Served& served() {
  static std::unique_ptr<Served> now;
  static size_t inputs = 0;
  if (inputs++ % 20'000 == 0) now.reset(), now = std::make_unique<Served>();
  return *now;
}

}  // namespace lockstep::fuzz
