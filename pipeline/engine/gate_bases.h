// What the words of gates were given for, kept from one plan to the next: of a model that its gate
// holds nothing is worked out anew where nothing has changed.
// Knows nothing of what a gate says, or of how a basis comes about.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/base/digest.h"
#include "pipeline/core/survey.h"

namespace lockstep {

class GateBases {
 public:
  // All that the basis of a step's gate follows from, within one graph.
  struct From {
    Digest recipe;                         // of the step: its inputs, its lock files
    int64_t challenger = 0, champion = 0;  // versions of its model
    std::vector<Digest> rows;              // of the slices that are asked about
    std::vector<std::shared_ptr<const std::vector<std::string>>> columns;  // beside
    bool operator==(const From&) const = default;
  };
  // Empty: not known, or some of the bytes it speaks of are no longer there.
  std::string find(const std::shared_ptr<const Graph>& graph, StepId step, const From& from,
                   const std::function<bool(const Digest&)>& has) const;
  // `bytes`: what has to be there for it to hold.
  void keep(const std::shared_ptr<const Graph>& graph, StepId step, From from, std::string basis,
            std::vector<Digest> bytes);
  // How often one had to be worked out.
  uint64_t worked_out() const { return worked_out_; }
  void count() { ++worked_out_; }

 private:
  struct Known {
    From from;
    std::string basis;
    std::vector<Digest> bytes;
  };
  std::shared_ptr<const Graph> graph_;  // held, so that no other one has its address
  std::map<StepId, Known> known_;
  uint64_t worked_out_ = 0;
};

}  // namespace lockstep
