#include "registry/gates/question.h"

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"
#include "registry/gates/predictions.h"

namespace lockstep {
namespace {

GateAction action_word(const Json& value) {
  const std::string text = value.get<std::string>();
  for (GateAction action : {GateAction::kMove, GateAction::kAsk, GateAction::kHold}) {
    if (word(action) == text) return action;
  }
  throw Error(ErrorCode::kInvalid, "'" + printable(text) + "' is nothing that a gate does",
              "move, ask or hold");
}

void read_policy(const Json& words, GatePolicy& policy) {
  for (const auto& [verdict, action] : words.items()) {
    GateAction* at = verdict == "better"               ? &policy.better
                     : verdict == "equal"              ? &policy.equal
                     : verdict == "worse-within-noise" ? &policy.worse_within_noise
                     : verdict == "worse"              ? &policy.worse
                     : verdict == "not-judged"         ? &policy.not_judged
                                                       : nullptr;
    if (!at) throw Error(ErrorCode::kInvalid, "'" + printable(verdict) + "' is no verdict");
    *at = action_word(action);
  }
}

std::optional<double> limit_of(const Json& words, const char* name) {
  auto found = words.find(name);
  return found == words.end() ? std::nullopt : std::optional(found->get<double>());
}

}  // namespace

GateQuestion gate_question(const Json& words) try {
  GateQuestion out;
  out.settings.metric = metric_of(words.value("metric", std::string("accuracy")));
  out.settings.positive = words.value("positive", std::string());
  out.settings.labels = words.value("labels", std::vector<std::string>());
  out.settings.min_rows = words.value("min-rows", out.settings.min_rows);
  out.settings.limit = {limit_of(words, "max-loss"), limit_of(words, "max-relative-loss")};
  out.settings.slice_limit = {limit_of(words, "slice-max-loss"),
                              limit_of(words, "slice-max-relative-loss")};
  out.settings.bootstrap.rounds = words.value("rounds", out.settings.bootstrap.rounds);
  out.settings.bootstrap.seed = words.value("seed", out.settings.bootstrap.seed);
  out.policy.alpha = words.value("alpha", out.policy.alpha);
  out.settings.bootstrap.alpha = out.policy.alpha;
  out.slices = words.value("slices", std::vector<std::string>());
  if (words.contains("policy")) read_policy(words.at("policy"), out.policy);
  return out;
} catch (const Json::exception& error) {
  throw Error(ErrorCode::kInvalid, std::string("what a gate asks makes no sense: ") + error.what());
}

GateFindings measure_gate(const GateEvidence& evidence) {
  GateFindings out;
  out.model = evidence.model;
  out.challenger = evidence.challenger;
  out.champion = evidence.champion;
  out.void_because = evidence.void_because;
  if (evidence.of_champion && evidence.of_challenger) {
    GateQuestion question = gate_question(evidence.question);
    question.settings.bootstrap.each_round = evidence.each_round;
    const std::string place = evidence.model + "/predictions.csv";
    out.comparisons.push_back(compare_models(
        read_predictions(*evidence.of_champion, place, question.slices),
        read_predictions(*evidence.of_challenger, place, question.slices), question.settings));
  }
  if (evidence.of_expectations) {
    AnsweredExpectations read = read_expectations(
        *evidence.of_expectations, evidence.model + "/expectations", evidence.expectations);
    out.expectations = check_expectations(read.expectations, read.answers);
  }
  return out;
}

void conclude_gate(const GateEvidence& evidence, GateFindings& findings) {
  if (findings.comparisons.empty()) return;
  decide_gates(findings.comparisons, gate_question(evidence.question).policy, evidence.other_p,
               evidence.yet_to_come);
}

GateFindings find_gate(const GateEvidence& evidence) {
  GateFindings out = measure_gate(evidence);
  conclude_gate(evidence, out);
  return out;
}

}  // namespace lockstep
