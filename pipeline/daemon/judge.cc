#include "pipeline/daemon/judge.h"

#include "registry/gates/question.h"

namespace lockstep {
namespace {

std::optional<std::string> bytes_of(Artifacts& artifacts, const std::optional<Digest>& digest) {
  return digest ? std::optional(artifacts.get(*digest)) : std::nullopt;
}

}  // namespace

GateJudge make_judge(Artifacts& artifacts) {
  return [&artifacts](const GateCase& asked) {
    GateEvidence evidence;
    evidence.model = asked.model;
    evidence.challenger = asked.challenger;
    evidence.champion = asked.champion;
    evidence.question = asked.question;
    evidence.void_because = asked.void_because;
    evidence.of_champion = bytes_of(artifacts, asked.of_champion);
    evidence.of_challenger = bytes_of(artifacts, asked.of_challenger);
    evidence.of_expectations = bytes_of(artifacts, asked.of_expectations);
    evidence.other_p = asked.other_p;
    evidence.yet_to_come = asked.yet_to_come;
    const GateFindings findings = find_gate(evidence);
    GateWord out;
    out.action = word(action_of(findings));
    out.verdict = reason_of(findings);
    out.report = artifacts
                     .put(canonical_json({{"json", findings_json(findings)},
                                          {"markdown", findings_markdown(findings)}}))
                     .str();
    for (const Comparison& comparison : findings.comparisons) {
      if (comparison.all.not_judged.empty()) out.p = comparison.all.p;
    }
    return out;
  };
}

Json gate_document(const ModelState& model, const GateReport& report) {
  auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  const Approval* approval = model.approved(report.version);
  Json approved;
  if (approval) approved = {{"who", approval->who}, {"reason", approval->reason}};
  return {{"version", report.version},
          {"passed", report.passed},
          {"verdict", report.verdict},
          {"checks", report.checks.json()},
          {"action", or_null(report.action)},
          {"champion", report.champion ? Json(report.champion) : Json()},
          {"basis", or_null(report.basis)},
          {"approved", approved}};
}

}  // namespace lockstep
