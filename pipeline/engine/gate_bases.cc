#include "pipeline/engine/gate_bases.h"

#include <algorithm>

namespace lockstep {
namespace {

// Every look reads the columns anew.
bool same(const GateBases::From& a, const GateBases::From& b) {
  auto equal = [](const auto& x, const auto& y) { return x == y || (x && y && *x == *y); };
  return a == b || (a.recipe == b.recipe && a.challenger == b.challenger &&
                    a.champion == b.champion && a.rows == b.rows &&
                    std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(),
                               b.columns.end(), equal));
}

}  // namespace

std::string GateBases::find(const std::shared_ptr<const Graph>& graph, StepId step,
                            const From& from, const std::function<bool(const Digest&)>& has) const {
  auto known = graph == graph_ ? known_.find(step) : known_.end();
  if (known == known_.end() || !same(known->second.from, from)) return "";
  const std::vector<Digest>& bytes = known->second.bytes;
  return std::all_of(bytes.begin(), bytes.end(), has) ? known->second.basis : "";
}

void GateBases::keep(const std::shared_ptr<const Graph>& graph, StepId step, From from,
                     std::string basis, std::vector<Digest> bytes) {
  if (graph != graph_) known_.clear();
  graph_ = graph;
  known_[step] = {std::move(from), std::move(basis), std::move(bytes)};
}

}  // namespace lockstep
