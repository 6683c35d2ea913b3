#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pipeline/base/error.h"
#include "registry/rules/rules.h"
#include "registry/rules/words.h"

namespace lockstep {
namespace {

// For people; what is compared, and kept in the report, is the number itself.
std::string number(double value) {
  return fmt::format("{:.6g}", value);
}

Json or_null(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

// What is wrong with one metric; empty: nothing.
std::string failure(const Bound& bound, const Json& value) {
  if (!value.is_number() || !std::isfinite(value.get<double>())) {
    return "metric " + bound.metric + " is missing from metrics.json";
  }
  double v = value.get<double>();
  if (bound.min && v < *bound.min) {
    return bound.metric + " " + number(v) + " is below " + number(*bound.min);
  }
  if (bound.max && v > *bound.max) {
    return bound.metric + " " + number(v) + " is above " + number(*bound.max);
  }
  return "";
}

bool same_word(const GateReport& a, const GateReport& b) {
  return a.passed == b.passed && a.verdict == b.verdict && a.checks == b.checks &&
         a.action == b.action && a.basis == b.basis;
}

const ModelState& state_of(const Registry& registry, const std::string& model) {
  static const ModelState kUnknown;
  const ModelState* known = registry.model(model);
  return known ? *known : kUnknown;
}

// The candidate's version with the next number; the bytes are new for this model.
Version fresh_version(const Registry& registry, const ModelState& model,
                      const Candidate& candidate) {
  const Version& given = candidate.version;
  if (given.number != 0) {
    throw Error(ErrorCode::kConflict, version_text(given.model, given.number) +
                                          " is not in the registry with these bytes");
  }
  Version version = given;
  version.number = std::max(registry.highest(given.model), candidate.above) + 1;
  version.nondeterministic = model.by_fingerprint.count(given.fingerprint) > 0;
  return version;
}

// Keeps what the gate said when it differs from what is kept.
void keep_report(const ModelState& model, const Candidate& candidate, const GateReport& report,
                 std::vector<Fact>& facts) {
  auto kept = model.gates.find(report.version);
  bool any = !candidate.gate.empty() || candidate.word;
  bool news = kept == model.gates.end() ? any : !same_word(kept->second, report);
  if (news) facts.push_back(report);
}

// The report with the word of a gate that asked for more than bounds.
GateReport with_word(GateReport report, const Candidate& candidate, int64_t against) {
  const GateWord& word = *candidate.word;
  report.champion = against;
  report.action = word.action;
  report.basis = word.basis;
  report.by_other = candidate.approve_by_other;
  report.report = word.report;
  report.passed = word.action == "move";
  report.verdict = word.verdict;
  return report;
}

// Absolute bounds first, then champion and expectations; of what once was champion only bounds and
// expectations. False: the alias stays, or nothing is known yet.
bool gated(const ModelState& model, const Version& chosen, const Candidate& candidate, bool again,
           Decision& out) {
  GateReport report = judge(candidate.gate, chosen);
  out.against = candidate.asks_champion && !again ? model.alias(kChampion) : 0;
  bool asks = candidate.asks_expect || out.against != 0;
  if (report.passed && asks && !candidate.word) {
    out.pending = true;
    out.why = "its gate looks at it";
    return false;
  }
  if (report.passed && asks) report = with_word(std::move(report), candidate, out.against);
  keep_report(model, candidate, report, out.facts);
  if (report.passed) return true;
  auto approval = model.approvals.find(chosen.number);
  bool approved = report.action == "ask" && approval != model.approvals.end() &&
                  approval->second.basis == report.basis;
  if (approved) return true;
  out.why = report.action == "ask" ? "waits for approval: " + report.verdict
                                   : "gate failed: " + report.verdict;
  return false;
}

// Gates `chosen` and moves the alias to it, or says why not.
void settle(const ModelState& model, const Version& chosen, const Candidate& candidate,
            Decision& out) {
  int64_t champion = model.alias(kChampion);
  if (chosen.number == champion) {
    out.why = "already champion";
    return;
  }
  if (const Withdrawal* mark = model.withdrawn(chosen.number, kChampion)) {
    out.why = withdrawn_text(*mark);
    return;
  }
  bool again = model.held(chosen.number, kChampion);
  if (!gated(model, chosen, candidate, again, out)) return;
  if (const Pin* pin = model.pin(kChampion)) {
    out.why = pin_text(*pin);
    return;
  }
  bool no_gate = candidate.gate.empty() && !candidate.word;
  out.why = again ? "known fingerprint" : no_gate ? "no gate" : "gate passed";
  out.facts.push_back(
      AliasMove{chosen.model, kChampion, champion, chosen.number, candidate.who, out.why});
  out.moved = true;
}

}  // namespace

GateReport judge(const std::vector<Bound>& gate, const Version& version) {
  GateReport report;
  report.model = version.model;
  report.version = version.number;
  std::string failures;
  Json metrics = gate.empty() ? Json() : version.metrics.json(), checks = Json::array();
  for (const Bound& bound : gate) {
    Json value = metrics.is_object() ? metrics.value(bound.metric, Json()) : Json();
    std::string wrong = failure(bound, value);
    if (!wrong.empty()) failures += (failures.empty() ? "" : "; ") + wrong;
    checks.push_back({{"metric", bound.metric},
                      {"value", value},
                      {"min", or_null(bound.min)},
                      {"max", or_null(bound.max)},
                      {"passed", wrong.empty()}});
  }
  report.checks = checks;
  report.passed = failures.empty();
  report.verdict = !failures.empty() ? failures : gate.empty() ? "no gate" : "passed";
  return report;
}

const Version* candidate_version(const ModelState& model, const Digest& fingerprint,
                                 const HasBytes& has) {
  int64_t champion = model.alias(kChampion);
  const Version* newest = nullptr;
  const Version* good = nullptr;
  auto [begin, end] = model.by_fingerprint.equal_range(fingerprint);
  for (auto it = begin; it != end; ++it) {
    const Version* version = model.version(it->second);
    if (has && !has(version->digest)) continue;
    if (version->number == champion) return version;
    if (!newest || version->number > newest->number) newest = version;
    if (model.withdrawn(version->number, kChampion)) continue;
    if (!good || version->number > good->number) good = version;
  }
  return good ? good : newest;
}

Decision decide(const Registry& registry, const Candidate& candidate, const HasBytes& has) {
  const Version& given = candidate.version;
  const ModelState& model = state_of(registry, given.model);
  Decision out;
  if (model.retired) out.facts.push_back(Retired{given.model, false, "produced again"});
  HasBytes present = [&](const Digest& d) { return d == given.digest || !has || has(d); };
  const Version* chosen = candidate_version(model, given.fingerprint, present);
  const Version* known = model.find(given.fingerprint, given.digest);
  Version fresh;
  if (!known) {
    fresh = fresh_version(registry, model, candidate);
    out.facts.push_back(fresh);
    // Newest and not withdrawn: only a champion with this fingerprint goes before it.
    if (!chosen || chosen->number != model.alias(kChampion)) chosen = &fresh;
  }
  out.registered = known ? known->number : fresh.number;
  out.version = chosen->number;
  settle(model, *chosen, candidate, out);
  return out;
}

Decision consider(const Registry& registry, const Candidate& candidate, const HasBytes& has) {
  Decision out = decide(registry, candidate, has);
  out.facts.erase(std::remove_if(out.facts.begin(), out.facts.end(),
                                 [](const Fact& fact) {
                                   return std::holds_alternative<AliasMove>(fact) ||
                                          std::holds_alternative<Retired>(fact);
                                 }),
                  out.facts.end());
  return out;
}

}  // namespace lockstep
