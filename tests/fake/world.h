// The past of a plan as data: results, live attempts, champions; and what the plan told it.
// Knows nothing of stores or registries.
#pragma once

#include "pipeline/core/plan.h"

namespace lockstep {

class FakeWorld : public World {
 public:
  std::map<Digest, ResultRecord> results;
  std::set<Digest> live_ones, used_up_ones;
  std::map<std::string, ModelRef> champions;
  std::map<std::string, std::string> recipes;  // step → document of its last accepted result
  std::map<std::string, LastRead> reads;       // step → at which commits that read its inputs
  std::set<std::string> busy_ones;             // steps
  // Does an accepted result's model take the alias?
  std::function<bool(const Step&)> gate = [](const Step&) { return true; };
  const Graph* graph = nullptr;  // of the plan that asks
  struct Accepted {
    std::string step;
    Digest model;
  };
  std::vector<Accepted> accepted;
  std::vector<std::pair<Digest, bool>> asked_used_up;

  const ResultRecord* result(const Digest& fingerprint) override {
    auto found = results.find(fingerprint);
    return found == results.end() ? nullptr : &found->second;
  }
  bool live(const Digest& fingerprint) override { return live_ones.count(fingerprint) > 0; }
  bool used_up(const Digest& fingerprint, bool asked) override {
    asked_used_up.emplace_back(fingerprint, asked);
    return used_up_ones.count(fingerprint) > 0;
  }
  std::optional<ModelRef> champion(const std::string& model) override {
    auto found = champions.find(model);
    return found == champions.end() ? std::nullopt : std::optional(found->second);
  }
  std::string last_recipe(const Step& step) override {
    auto found = recipes.find(step.name);
    return found == recipes.end() ? "" : found->second;
  }
  const ResultRecord* last_result(const Step& step) override {
    std::string recipe = last_recipe(step);
    return recipe.empty() ? nullptr : result(sha256(recipe));
  }
  LastRead last_read(const Step& step) override { return reads[step.name]; }
  bool busy(const Step& step) override { return busy_ones.count(step.name) > 0; }
  bool accept(StepId id, const PlannedStep& planned, const ResultRecord& result) override {
    const Step& step = graph->step(id);
    Digest model = result.outputs.count("model") ? result.outputs.at("model") : Digest();
    accepted.push_back({step.name, model});
    recipes[step.name] = planned.recipe->document;
    if (step.registers.empty() || !gate(step)) return true;
    ModelRef& champion = champions[step.registers];
    if (champion.digest != model) champion = {champion.version + 1, model};
    return true;
  }
};

}  // namespace lockstep
