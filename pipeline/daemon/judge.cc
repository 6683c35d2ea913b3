#include "pipeline/daemon/judge.h"

#include <algorithm>

#include "pipeline/base/point.h"

namespace lockstep {
namespace {

// What nobody comes for (the run is over, its rows have changed) is forgotten some time.
constexpr size_t kMostKept = 1'000;

std::optional<std::string> bytes_of(Artifacts& artifacts, const std::optional<Digest>& digest) {
  return digest ? std::optional(artifacts.get(*digest)) : std::nullopt;
}

GateEvidence evidence_of(const GateCase& asked) {
  GateEvidence evidence;
  evidence.model = asked.model;
  evidence.challenger = asked.challenger;
  evidence.champion = asked.champion;
  evidence.question = asked.question;
  evidence.void_because = asked.void_because;
  evidence.expectations = asked.expectations;
  evidence.other_p = asked.other_p;
  evidence.yet_to_come = asked.yet_to_come;
  return evidence;
}

GateWord word_of(Artifacts& artifacts, const GateFindings& findings) {
  GateWord out;
  out.action = word(action_of(findings));
  out.verdict = reason_of(findings);
  out.report = artifacts
                   .put(canonical_json({{"json", findings_json(findings)},
                                        {"markdown", findings_markdown(findings)}}))
                   .str();
  point("gate.report.kept");
  for (const Comparison& comparison : findings.comparisons) {
    if (comparison.all.not_judged.empty()) out.p = comparison.all.p;
  }
  return out;
}

}  // namespace

GateDesk::GateDesk(Artifacts& artifacts, Tell tell)
    : artifacts_(artifacts), tell_(std::move(tell)) {}

GateDesk::~GateDesk() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::optional<GateWord> GateDesk::word(const GateCase& asked) {
  Measured measured;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = done_.find(asked.basis);
    if (found == done_.end()) {
      auto same = [&](const GateCase& one) { return one.basis == asked.basis; };
      if (std::none_of(waiting_.begin(), waiting_.end(), same)) waiting_.push_back(asked);
      if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
      changed_.notify_all();
      return std::nullopt;
    }
    const std::optional<Error>& error = found->second.error;
    // The same files will never make sense: the next plan hears it at once.
    bool for_good =
        error && (error->code == ErrorCode::kInvalid || error->code == ErrorCode::kConflict);
    if (for_good) throw *error;
    measured = std::move(found->second);
    done_.erase(found);
    order_.erase(std::find(order_.begin(), order_.end(), asked.basis));
  }
  if (measured.error) throw *measured.error;
  // Another model may have asked the very same: what was measured is equal.
  measured.findings.model = asked.model;
  measured.findings.challenger = asked.challenger;
  measured.findings.champion = asked.champion;
  conclude_gate(evidence_of(asked), measured.findings);
  return word_of(artifacts_, measured.findings);
}

void GateDesk::loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stop_) {
    if (waiting_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const GateCase next = waiting_.front();
    lock.unlock();
    point("gate.measure.before");
    Measured measured = measure(next);
    point("gate.measure.after");
    lock.lock();
    if (stop_) return;
    waiting_.pop_front();
    keep(next.basis, std::move(measured));
    lock.unlock();
    tell_(next.basis);
    lock.lock();
  }
}

GateDesk::Measured GateDesk::measure(const GateCase& asked) {
  try {
    GateEvidence evidence = evidence_of(asked);
    evidence.of_champion = bytes_of(artifacts_, asked.of_champion);
    evidence.of_challenger = bytes_of(artifacts_, asked.of_challenger);
    evidence.of_expectations = bytes_of(artifacts_, asked.of_expectations);
    evidence.each_round = [this] {
      if (stop_) throw Error(ErrorCode::kUnavailable, "the daemon stops");
    };
    return {measure_gate(evidence), std::nullopt};
  } catch (const Error& error) {
    return {{}, error};
  } catch (const std::exception& error) {
    return {{}, Error(ErrorCode::kCorrupt, error.what())};
  }
}

// The caller holds the lock.
void GateDesk::keep(const std::string& basis, Measured measured) {
  if (done_.insert_or_assign(basis, std::move(measured)).second) order_.push_back(basis);
  if (order_.size() <= kMostKept) return;
  done_.erase(order_.front());
  order_.pop_front();
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
