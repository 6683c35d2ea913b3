// What a step gets as Arrow files must not depend on what was delivered before: every state of a
// store, prepared with a memory of the states before it and without, gives equal inputs.
// Knows nothing of any one store.
#pragma once

#include <random>

#include "pipeline/exec/prepare.h"
#include "pipeline/store/artifact_store.h"
#include "tests/connectors/conformance/suite.h"
#include "tests/fake/snapshot_index.h"

namespace lockstep::conformance {

// No fsync: these tests lose nothing when the machine stops.
class HastyFiles : public Files {
 public:
  void write_atomic(const fs::path& path, std::string_view bytes, int mode) override {
    fs::create_directories(path.parent_path());
    FILE* file = fopen(path.c_str(), "wb");
    REQUIRE(file != nullptr);
    REQUIRE(fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size());
    fclose(file);
    fs::permissions(path, static_cast<fs::perms>(mode));
  }
};

class Deliveries {
 public:
  explicit Deliveries(TableStore& store) : store_(store) {}

  static Json input(const std::string& table, const std::string& commit) {
    return {{"name", "rows"},    {"kind", "rows"},         {"source", "tables"},
            {"table", table},    {"commit", commit},       {"columns", Json::array()},
            {"format", "arrow"}, {"where", Json::object()}};
  }
  // All columns, some, cut, with rows held out by the key and by what may change.
  static std::vector<Json> inputs(const std::string& table, const std::string& commit,
                                  const TableSchema& schema) {
    std::vector<Json> all = {input(table, commit)};
    all.push_back(input(table, commit));
    all.back()["columns"] = {schema.columns.back().name};
    if (schema.key.empty()) return all;
    for (const std::string& column : {schema.key[0], schema.columns.back().name}) {
      all.push_back(input(table, commit));
      all.back()["holdout"] = {{"fraction", 0.4}, {"key", {column}}, {"salt", "s"}};
    }
    if (schema.columns[1].name != "client") return all;
    for (const char* client : {"a", ""}) {
      all.push_back(input(table, commit));
      all.back()["where"]["client"] = client;
      all.push_back(all.back());
      all.back()["columns"] = {"text"};
      all.back()["holdout"] = {{"fraction", 0.5}, {"key", {"text"}}, {"salt", ""}};
    }
    return all;
  }

  void compare(const std::string& commit) {
    for (const TableInfo& info : store_.tables(commit)) {
      CAPTURE(info.name);
      for (const Json& one : inputs(info.name, commit, store_.schema(commit, info.name))) {
        CAPTURE(one.dump());
        CHECK(prepared(one, &use_) == prepared(one, nullptr));
      }
    }
  }
  // Each input as a line of text.
  std::vector<std::string> prepared(const Json& one, const SnapshotUse* use) {
    Json spec = {{"step", "s"},        {"uses", ""},
                 {"run", "make"},      {"with", Json::object()},
                 {"env", {{"A", ""}}}, {"secrets", Json::array()},
                 {"seed", 7},          {"outputs", {{"model", "m"}}},
                 {"timeout_ms", 1000}, {"inputs", {one}},
                 {"checkpoint", "abc"}};
    PrepareFrom from{{{"tables", &store_}}, {}, nullptr, use};
    std::vector<std::string> out;
    for (const AttemptInput& input :
         prepare_attempt("a", {{"spec", spec}}, from, use ? artifacts : plain_).inputs) {
      out.push_back(
          fmt::format("{} {} {} {}", input.name, input.file, input.folder, input.digest.hex()));
    }
    return out;
  }

  std::vector<std::string> said;
  FakeSnapshotIndex index;

 private:
  TempFolder folder_;
  HastyFiles files_;
  TableStore& store_;
  ArtifactStore plain_{folder_.path() / "plain", files_};
  SnapshotUse use_{index, [this](const std::string& text) { said.push_back(text); }};

 public:
  ArtifactStore artifacts{folder_.path() / "kept", files_};
};

// Rows come, go and change, also their keys and the client whose they are.
inline void edit(FakeTable& table, std::mt19937& chance) {
  const auto below = [&](uint32_t n) { return chance() % n; };
  for (uint32_t edits = 1 + below(6); edits > 0; --edits) {
    const auto id = static_cast<int64_t>(below(60));
    const Row row = utterances({{id, below(4) ? fmt::format("{}", "ab"[below(2)]) : ""}}).rows[0];
    std::erase_if(table.rows, [&](const Row& one) { return one[0] == row[0]; });
    if (below(3) == 0) continue;
    table.rows.push_back(row);
    table.rows.back()[2] = below(5) ? text_cell(fmt::format("says {}", below(9))) : null_value();
  }
}

// `states`: so many of the script's.
inline void deliveries_are_as_from_scratch(StoreUnderTest& under, size_t states = 99) {
  Deliveries deliveries(under.store());
  std::vector<std::string> commits;
  auto all = script(under.has_keyless());
  all.resize(std::min(states, all.size()));
  for (const auto& [what, state] : all) {
    INFO(what);
    commits.push_back(under.commit(state));
    deliveries.compare(commits.back());
  }
  std::mt19937 chance(11);
  FakeCommit now = {{"clients", utterances({{1, "a"}, {2, "b"}, {3, ""}})}};
  for (int round = 0; round < 10; ++round) {
    CAPTURE(round);
    edit(now["clients"], chance);
    commits.push_back(under.commit(now));
    deliveries.compare(commits.back());
  }
  deliveries.compare(commits[commits.size() - 4]);  // an earlier one again
  deliveries.compare(commits[1]);
}

}  // namespace lockstep::conformance
