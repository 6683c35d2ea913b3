// Real data, where it is there: each domain of CLINC150 as a client, with labels shuffled.
// LOCKSTEP_DATA: the folder with clinc150/; else shared/data beside the source tree.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "pipeline/base/files.h"
#include "pipeline/base/json.h"
#include "tests/catch.h"
#include "tests/workflows/quality/made_rows.h"

using namespace lockstep;

namespace {

fs::path data_folder() {
  if (const char* given = std::getenv("LOCKSTEP_DATA")) return given;
  return fs::read_symlink("/proc/self/exe").parent_path() / "../../../shared/data";
}

Json document(const char* name) {
  return parse_json(Files().read(data_folder() / "clinc150" / name), name);
}

LabelledRows rows_of(const Json& train, const std::set<std::string>& intents) {
  LabelledRows rows = text_rows();
  for (const Json& row : train) {
    const std::string intent = row.at(1);
    if (intents.count(intent) == 0) continue;
    add(rows, std::to_string(100000 + rows.size()), row.at(0).get<std::string>(), intent);
  }
  return rows;
}

// Labels of `percent` of the rows dealt out among these rows; the keys of those that became wrong.
std::set<std::string> shuffle_labels(LabelledRows& rows, uint64_t percent, uint64_t seed) {
  Random random(seed);
  std::vector<uint32_t> order(rows.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  random.shuffle(order);
  order.resize(rows.size() * percent / 100);
  std::vector<uint32_t> from = order;
  random.shuffle(from);
  const auto right = rows.labels;
  std::set<std::string> wrong;
  for (size_t i = 0; i < order.size(); ++i) {
    rows.labels[order[i]] = right[from[i]];
    if (right[from[i]] != right[order[i]]) wrong.insert(rows.keys[order[i]]);
  }
  return wrong;
}

size_t hits(const QualityReport& report, const std::set<std::string>& wrong) {
  std::set<std::string> found;
  for (const Suspect& one : report.suspects) {
    if (one.why.rfind("label noise", 0) == 0 && wrong.count(one.key) > 0) found.insert(one.key);
  }
  return found.size();
}

}  // namespace

TEST_CASE(
    "quality: of a client's shuffled labels most are found, and most that is found is wrong") {
  if (!fs::exists(data_folder() / "clinc150/data_full.json")) {
    std::printf("passed over: no data in %s\n", data_folder().c_str());
    return;
  }
  const Json train = document("data_full.json").at("train");
  const Json domains = document("domains.json");
  for (const auto& [domain, intents] : domains.items()) {
    LabelledRows rows = rows_of(train, intents.get<std::set<std::string>>());
    const QualityReport clean = looked_at(rows);
    const std::set<std::string> wrong = shuffle_labels(rows, 12, 1);
    const QualityReport report = looked_at(rows);
    REQUIRE(report.noise);
    const size_t found = hits(report, wrong), said = report.noise->suspects.size();
    const double recall = static_cast<double>(found) / static_cast<double>(wrong.size());
    const double precision = static_cast<double>(found) / static_cast<double>(said);
    std::printf(
        "%-18s %zu rows, %zu wrong, %zu suspects: recall %.3f, precision %.3f, noise %.3f, "
        "score %.1f; clean: noise %.3f, score %.1f\n",
        domain.c_str(), rows.size(), wrong.size(), said, recall, precision, report.noise->noise,
        report.score, clean.noise->noise, clean.score);
    CHECK(recall >= 0.8);
    CHECK(precision >= 0.5);
    CHECK(report.score < clean.score);
  }
}

// Looked at together, one client's errors are a hundredth of the rows, and the model's own mistakes
// are more than that. A client is looked at by itself.
TEST_CASE("quality: all clients at once, one of them shuffled", "[.figures]") {
  const Json train = document("data_full.json").at("train");
  LabelledRows rows = text_rows();
  std::set<std::string> wrong;
  const Json domains = document("domains.json");
  for (const auto& [domain, intents] : domains.items()) {
    LabelledRows part = rows_of(train, intents.get<std::set<std::string>>());
    for (std::string& key : part.keys) key = domain + key;
    if (domain == "banking") wrong = shuffle_labels(part, 12, 1);
    for (size_t i = 0; i < part.size(); ++i) {
      add(rows, part.keys[i], part.columns[0].values[i], part.labels[i]);
    }
  }
  const QualityReport report = looked_at(rows);
  const size_t found = hits(report, wrong);
  std::printf("all: %zu rows, %zu wrong, %zu suspects, %zu of them wrong\n", rows.size(),
              wrong.size(), report.noise->suspects.size(), found);
  CHECK(found > 0);
}
