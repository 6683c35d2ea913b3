#include <algorithm>

#include "pipeline/base/error.h"
#include "registry/rules/rules.h"
#include "registry/rules/words.h"

namespace lockstep {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

// Commits name their author by name and address, people here are known by a name: equal to either,
// or to the address before its @.
bool wrote_rows(const Version& version, const std::string& who) {
  const std::string name = lower(who);
  for (const Json& commit : version.committers.json()) {
    const std::string author = lower(commit.value("author", ""));
    const std::string email = lower(commit.value("email", ""));
    if (name == author || name == email || name == email.substr(0, email.find('@'))) return true;
  }
  return false;
}

int64_t newest_asking(const ModelState& model, const std::string& name) {
  for (auto it = model.gates.rbegin(); it != model.gates.rend(); ++it) {
    if (it->second.action == "ask" && !model.approved(it->first)) return it->first;
  }
  throw Error(ErrorCode::kNotFound, "no version of " + name + " waits for approval",
              "`lockstep lag` lists those that do");
}

// What the gate asked about is still what would be approved.
void still_the_same(const ModelState& model, const Version& version, const GateReport& report,
                    const ApproveRequest& request) {
  const std::string name = version_text(request.model, version.number);
  if (int64_t champion = model.alias(kChampion); champion != report.champion) {
    throw Error(ErrorCode::kConflict,
                name + " was compared with version " + std::to_string(report.champion) +
                    ", and the champion is version " + std::to_string(champion),
                "the next plan compares them anew");
  }
  if (request.today && *request.today != version.fingerprint) {
    throw Error(ErrorCode::kConflict,
                name + " is not what the newest plan made: its rows, code or inputs have changed",
                "`lockstep lag` names the version that waits");
  }
}

}  // namespace

std::vector<Fact> approve(const Registry& registry, const ApproveRequest& request,
                          const HasBytes& has) {
  const ModelState* model = registry.model(request.model);
  if (!model) throw Error(ErrorCode::kNotFound, "no model is called " + request.model);
  int64_t number = request.version ? request.version : newest_asking(*model, request.model);
  const std::string name = version_text(request.model, number);
  const Version* version = model->version(number);
  if (!version) throw Error(ErrorCode::kNotFound, name + " does not exist");
  auto report = model->gates.find(number);
  if (report == model->gates.end() || report->second.action != "ask") {
    std::string said = report == model->gates.end() ? "it has no gate"
                                                    : "its gate says: " + report->second.verdict;
    throw Error(ErrorCode::kConflict, name + " does not wait for approval: " + said);
  }
  still_the_same(*model, *version, report->second, request);
  if (report->second.by_other && wrote_rows(*version, request.who)) {
    throw Error(ErrorCode::kDenied, request.who + " committed rows of " + name,
                "its gate says approve-by: other; somebody else has to");
  }
  if (const Withdrawal* mark = model->withdrawn(number, kChampion)) {
    throw Error(ErrorCode::kDenied, name + " is " + withdrawn_text(*mark));
  }
  if (const Pin* pin = model->pin(kChampion)) {
    throw Error(ErrorCode::kDenied, "champion of " + request.model + " is " + pin_text(*pin),
                "`lockstep unpin` first");
  }
  if (!has(version->digest)) {
    throw Error(ErrorCode::kConflict, name + " can't be taken: its bytes are missing");
  }
  std::string why = "approved" + (request.reason.empty() ? "" : ": " + request.reason);
  return {Approval{request.model, number, report->second.basis, request.who, request.reason},
          AliasMove{request.model, kChampion, model->alias(kChampion), number, request.who, why}};
}

}  // namespace lockstep
