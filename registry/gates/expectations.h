// Rows that must come out so: what analysts promised once stays true, or somebody hears of it.
// Knows nothing of tables, models or who is allowed to write them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pipeline/base/json.h"

namespace lockstep {

// One promise. The rows it is about have this key (where it is not empty) and these columns.
struct Expectation {
  std::string key;
  std::map<std::string, std::string> columns;  // name → value
  std::string expected;                        // label
  std::string ticket, author, date;            // as written; each may be empty
};

struct AnsweredRow {
  std::string key;
  std::map<std::string, std::string> columns;
  std::string predicted;
};

struct BrokenExpectation {
  Expectation expectation;
  std::string key;        // of the row that came out otherwise; empty: no row was answered
  std::string predicted;  // empty with it
  // "text 'turn it off' must be lights_off and is media_stop (ticket 812, ann, 2026-03-01)"
  std::string why;
};

struct ExpectationReport {
  uint64_t checked = 0;
  std::vector<BrokenExpectation> broken;  // in the order of the expectations
  bool passed() const { return broken.empty(); }
};

// An expectation is kept when it has a row and all its rows come out as it says; one without any
// answer is broken. Throws invalid where one names neither key nor column, or no label, and
// conflict, naming both authors, where two of the same row contradict each other.
ExpectationReport check_expectations(const std::vector<Expectation>& expectations,
                                     const std::vector<AnsweredRow>& answers);

// Throws as check_expectations() does; for a table of them that was just committed.
void validate_expectations(const std::vector<Expectation>& expectations);

Json expectations_json(const ExpectationReport& report);
std::string expectations_markdown(const ExpectationReport& report);

}  // namespace lockstep
