// A survey of workflows whose axes and digests are given as data.
// Knows nothing of tables or repositories.
#pragma once

#include <memory>

#include "pipeline/core/survey.h"
#include "tests/fake/workflows.h"

namespace lockstep {

struct FakeSurvey {
  std::vector<Workflow> workflows;
  std::map<std::string, AxisValues> axes;      // "table.column" → values
  std::map<std::string, std::string> rows;     // slice name → what is in it; default: its name
  std::map<std::string, std::string> files;    // first path → what is in it
  std::map<std::string, std::string> missing;  // table → why it can't be read
  std::map<std::string, std::string> commits = {{"tables", "t1"}, {"code", "c1"}};

  AxisValues axis(const MatrixAxis& wanted) const {
    if (auto bad = missing.find(wanted.table); bad != missing.end()) {
      throw Error(ErrorCode::kNotFound, bad->second);
    }
    return axes.at(wanted.table + "." + wanted.column);
  }

  std::shared_ptr<Survey> look() const {
    auto survey = std::make_shared<Survey>();
    survey->commits = commits;
    survey->graph = std::make_shared<Graph>(expand(
        workflows, [this](const MatrixAxis& a) { return axis(a); }, commits));
    for (const SliceSpec& spec : survey->graph->slices) {
      SliceReading reading;
      auto text = rows.find(spec.name());
      reading.digest = sha256("rows " + (text == rows.end() ? spec.name() : text->second));
      reading.rows = 7;
      reading.commit = commits.at("tables");
      if (auto bad = missing.find(spec.table); bad != missing.end()) reading.error = bad->second;
      survey->slices.push_back(reading);
    }
    for (const CodeSpec& spec : survey->graph->code) {
      auto text = files.find(spec.paths[0]);
      survey->code.push_back(
          {sha256("code " + (text == files.end() ? spec.paths[0] : text->second)), 1,
           commits.at("code"), ""});
    }
    return survey;
  }
};

inline StepId step_id(const Survey& survey, const std::string& name) {
  auto found = survey.graph->by_name.find(name);
  if (found == survey.graph->by_name.end()) throw Error(ErrorCode::kNotFound, "no step " + name);
  return found->second;
}

}  // namespace lockstep
