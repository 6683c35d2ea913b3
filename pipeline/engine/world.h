// How a plan sees the engine: the real world takes results, the dry one only says what it would do.
#pragma once

#include "pipeline/engine/engine.h"

namespace lockstep {

class EngineWorld : public World {
 public:
  explicit EngineWorld(Engine& engine) : engine_(engine) {}

  std::shared_ptr<const Recipe> recipe(const Survey& survey, StepId step,
                                       const InputDigests& inputs) override;
  const ResultRecord* result(const Digest& fingerprint) override;
  bool live(const Digest& fingerprint) override;
  bool used_up(const Digest& fingerprint, bool asked) override;
  std::optional<ModelRef> champion(const std::string& model) override;
  std::string last_recipe(const Step& step) override;
  const ResultRecord* last_result(const Step& step) override;
  LastRead last_read(const Step& step) override;
  PreviousRows previous(const Survey& survey, StepId step, const StepInput& input) override;
  bool busy(const Step& step) override;
  bool accept(StepId step, const PlannedStep& planned, const ResultRecord& result) override;
  void ask_about_previous(const Survey& survey, StepId step, Questions& questions);

 protected:
  // The step's candidate with this result, or nothing where the champion is it already.
  std::optional<Candidate> candidate(const Survey& survey, StepId step, const PlannedStep& planned,
                                     const ResultRecord& result, const std::string& trigger);
  // Registered, and whatever word its gate needs is there. False: evaluations are to be had first.
  bool ready(StepId step, const PlannedStep& planned, Candidate& made);
  std::optional<Digest> last_accepted(const Step& step);
  std::optional<AttemptRecord> last_attempt(const Step& step);  // that made it

  Engine& engine_;
};

class DryWorld : public EngineWorld {
 public:
  // `by_hand`: as for a run that somebody starts, which tries again what is used up.
  DryWorld(Engine& engine, std::shared_ptr<const Survey> survey, bool by_hand = false)
      : EngineWorld(engine), survey_(std::move(survey)), by_hand_(by_hand) {}

  bool used_up(const Digest& fingerprint, bool asked) override;
  std::optional<ModelRef> champion(const std::string& model) override;
  bool accept(StepId step, const PlannedStep& planned, const ResultRecord& result) override;

 private:
  std::shared_ptr<const Survey> survey_;
  bool by_hand_;
  std::map<std::string, ModelRef> moved_;
};

// The real world but for what a preview must leave alone: what passes its gate is what consumers
// read within the preview, and nowhere else.
class PreviewWorld : public EngineWorld {
 public:
  using EngineWorld::EngineWorld;
  std::optional<ModelRef> champion(const std::string& model) override;
  bool accept(StepId step, const PlannedStep& planned, const ResultRecord& result) override;

 private:
  std::map<std::string, ModelRef> taken_;
};

}  // namespace lockstep
