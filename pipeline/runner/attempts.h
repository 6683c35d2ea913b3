// All attempts a runner knows, each a folder on disk: started once, kept until forgotten.
// Knows nothing of connections.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "pipeline/base/fd.h"
#include "pipeline/base/json.h"
#include "pipeline/runner/blobs.h"
#include "pipeline/runner/order.h"
#include "pipeline/runner/shim.h"
#include "pipeline/runner/workers.h"
#include "pipeline/runner/workspace.h"

namespace lockstep {

struct Attempt {
  std::string id;
  AttemptPaths paths;
  Fd shim;      // pidfd; open while the attempt runs
  Json result;  // null while it runs
  std::vector<Digest> held;
  std::string checkpoint;
  std::unique_ptr<Worker> worker;  // that it runs in; warm attempts of this runner only

  bool running() const { return shim.open(); }
};

class Attempts {
 public:
  Attempts(const ShimSettings& settings, Blobs& blobs);

  // Takes up what an earlier runner left: results, live shims, and attempts whose shim is gone
  // without a result (they are lost). Returns the attempts that run.
  std::vector<Attempt*> recover();
  // The known attempt of that id, or a new one, now running. Where blobs are not here yet nothing
  // is started, `missing` names them and nullptr is returned. Throws conflict for a forgotten id.
  Attempt* start(const Order& order, std::vector<Digest>* missing);
  // A shim's pidfd became readable: reads what it left.
  void finish(Attempt& attempt);
  void cancel(Attempt& attempt);
  // Throws conflict while it runs. `final`: no further attempt will want the checkpoint.
  void forget(const std::string& id, bool final);

  Attempt& get(const std::string& id);  // throws not_found
  const std::map<std::string, std::unique_ptr<Attempt>>& all() const { return all_; }
  void tidy() { workers_.tidy(); }

 private:
  void recover_one(const std::string& id);
  Fd find_shim(Attempt& attempt);
  void fork_shim(Attempt& attempt, const Order& order);
  void hold(Attempt& attempt, const Digest& digest);
  std::vector<Digest> wanted(const Order& order, std::vector<Digest>* missing) const;
  void load_result(Attempt& attempt);
  void lose(Attempt& attempt, const std::string& why);
  void remember_forgotten(const std::string& id);
  void load_forgotten();

  ShimSettings settings_;
  Blobs& blobs_;
  Workers workers_;
  std::map<std::string, std::unique_ptr<Attempt>> all_;
  std::unordered_set<std::string> forgotten_;
};

}  // namespace lockstep
