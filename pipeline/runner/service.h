// The runner's operations: a request's frame in, a reply's frame out.
// Knows nothing of sockets.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "pipeline/base/frames.h"
#include "pipeline/runner/attempts.h"
#include "pipeline/runner/blobs.h"
#include "pipeline/runner/machine.h"

namespace lockstep {

inline constexpr int kRunnerProtocol = 1;

// What one connection has said so far.
struct Session {
  bool greeted = false;
  bool subscribed = false;
  bool closing = false;  // to be closed when the reply is out
  std::map<Digest, std::unique_ptr<Upload>> uploads;
};

class Service {
 public:
  // `started` is told of every attempt that begins to run.
  Service(const RunnerPaths& paths, Attempts& attempts, Blobs& blobs, Json machine,
          std::function<void(Attempt&)> started);

  // Never throws: what goes wrong is the reply. The encoded reply frame.
  std::string handle(Session& session, const Frame& request);
  // The encoded event that tells of a finished attempt.
  static std::string finished_event(const Attempt& attempt);

 private:
  struct Reply {
    Json header = Json::object();
    std::string payload;
  };
  using Operation = Reply (Service::*)(Session&, const Frame&);

  Reply dispatch(Session& session, const Frame& request);
  Reply hello(Session& session, const Frame& request);
  Reply has(Session& session, const Frame& request);
  Reply put(Session& session, const Frame& request);
  Reply start(Session& session, const Frame& request);
  Reply list(Session& session, const Frame& request);
  Reply subscribe(Session& session, const Frame& request);
  Reply result(Session& session, const Frame& request);
  Reply get(Session& session, const Frame& request);
  Reply log(Session& session, const Frame& request);
  Reply cancel(Session& session, const Frame& request);
  Reply forget(Session& session, const Frame& request);
  Reply slots(Session& session, const Frame& request);
  Reply bye(Session& session, const Frame& request);

  RunnerPaths paths_;
  Attempts& attempts_;
  Blobs& blobs_;
  Json machine_;
  std::function<void(Attempt&)> started_;
};

}  // namespace lockstep
