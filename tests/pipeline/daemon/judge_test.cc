// Gates are measured beside the engine: who asks never waits, and hears the same numbers.
#include "pipeline/daemon/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "pipeline/base/files.h"
#include "pipeline/store/artifact_store.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

std::string answers(size_t rows, size_t wrong_from, size_t wrong_to) {
  std::string csv = "key,expected,predicted\n";
  for (size_t i = 0; i < rows; ++i) {
    csv += fmt::format("{},{},{}\n", i, i % 2 ? "yes" : "no",
                       i >= wrong_from && i < wrong_to ? "nothing"
                       : i % 2                         ? "yes"
                                                       : "no");
  }
  return csv;
}

struct Desk {
  TempFolder folder;
  ArtifactStore artifacts{folder.path() / "artifacts"};
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> told;
  GateDesk desk{artifacts, [this](const std::string& basis) {
                  std::lock_guard<std::mutex> lock(mutex);
                  told.push_back(basis);
                  changed.notify_all();
                }};

  GateCase asked(const std::string& basis, Json question, size_t rows) {
    GateCase one;
    one.basis = basis;
    one.model = "m";
    one.challenger = 2;
    one.champion = 1;
    one.question = std::move(question);
    one.of_champion = artifacts.put(answers(rows, 0, 10));
    one.of_challenger = artifacts.put(answers(rows, 10, 35));
    return one;
  }
  void wait_for(const std::string& basis) {
    std::unique_lock<std::mutex> lock(mutex);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(60), [&] {
      return std::find(told.begin(), told.end(), basis) != told.end();
    }));
  }
};

}  // namespace

TEST_CASE("desk: what was measured is what measuring at once gives") {
  Desk d;
  for (const char* metric : {"accuracy", "macro_f1"}) {
    const GateCase one = d.asked(metric, {{"metric", metric}}, 450);
    CHECK_FALSE(d.desk.word(one));
    d.wait_for(metric);
    GateEvidence evidence;
    evidence.model = "m";
    evidence.challenger = 2;
    evidence.champion = 1;
    evidence.question = one.question;
    evidence.of_champion = answers(450, 0, 10);
    evidence.of_challenger = answers(450, 10, 35);
    const GateFindings findings = find_gate(evidence);
    std::optional<GateWord> said = d.desk.word(one);
    REQUIRE(said);
    CHECK(said->action == word(action_of(findings)));
    CHECK(said->verdict == reason_of(findings));
    CHECK(said->p == findings.comparisons[0].all.p);
    Json report = parse_json(d.artifacts.get(Digest::parse(said->report)), "report");
    CHECK(report.at("json") == findings_json(findings));
  }
}

TEST_CASE("desk: other comparisons count as they are when the word is given") {
  Desk d;
  GateCase one = d.asked("basis", Json::object(), 450);
  CHECK_FALSE(d.desk.word(one));
  d.wait_for("basis");
  one.other_p = {0.5, 0.5, 0.5};
  std::optional<GateWord> said = d.desk.word(one);
  REQUIRE(said);
  CHECK(said->p == Approx(0.0167).margin(0.00005));
  CHECK(said->action == "ask");  // four times 0.0167 may be noise
}

TEST_CASE("desk: what can't be measured is thrown at who comes for it") {
  Desk d;
  GateCase one = d.asked("basis", Json::object(), 10);
  one.of_challenger = d.artifacts.put("nonsense\n");
  CHECK_FALSE(d.desk.word(one));
  d.wait_for("basis");
  CHECK_THROWS_AS(d.desk.word(one), Error);
  CHECK_THROWS_AS(d.desk.word(one), Error);  // at once: the next plan need not wait for it
  CHECK(d.told.size() == 1);
}

TEST_CASE("desk: nobody waits for a bootstrap of a thousand million draws, nor for its end") {
  auto d = std::make_unique<Desk>();
  const GateCase one = d->asked("long", {{"metric", "macro_f1"}, {"rounds", 10'000'000}}, 200);
  const auto began = std::chrono::steady_clock::now();
  CHECK_FALSE(d->desk.word(one));
  CHECK_FALSE(d->desk.word(one));
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(1));
  d.reset();  // gives up within a round
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(5));
}
