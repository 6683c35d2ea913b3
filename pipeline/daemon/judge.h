// The one who reads what evaluations wrote and says a gate's word, for the engine: measured in a
// thread of its own, so that the engine goes on meanwhile.
// Knows nothing of aliases or of what becomes of the word.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "pipeline/core/artifacts.h"
#include "pipeline/engine/engine.h"
#include "registry/gates/question.h"

namespace lockstep {

class GateDesk {
 public:
  // Tells the basis of a case that was measured, from the desk's thread.
  using Tell = std::function<void(const std::string& basis)>;
  // `artifacts` outlives it.
  GateDesk(Artifacts& artifacts, Tell tell);
  ~GateDesk();  // gives up what is under way
  GateDesk(const GateDesk&) = delete;
  GateDesk& operator=(const GateDesk&) = delete;

  // The word of a case that was measured, once; its whole report is kept as an artifact
  // {"json", "markdown"}. Nothing: it has yet to be measured, which is told. Throws what measuring
  // threw.
  std::optional<GateWord> word(const GateCase& asked);

 private:
  struct Measured {
    GateFindings findings;
    std::optional<Error> error;
  };
  void loop();
  Measured measure(const GateCase& asked);
  void keep(const std::string& basis, Measured measured);

  Artifacts& artifacts_;
  Tell tell_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<GateCase> waiting_;          // the first one is being measured
  std::map<std::string, Measured> done_;  // by basis
  std::deque<std::string> order_;         // of those, the oldest first
  std::atomic<bool> stop_{false};
  std::thread thread_;  // once something was asked
};

// {"version","passed","verdict","checks","action"|null,"champion"|null,"basis"|null,
//  "approved":{"who","reason"}|null}
Json gate_document(const ModelState& model, const GateReport& report);

}  // namespace lockstep
