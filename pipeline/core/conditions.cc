#include "pipeline/core/conditions.h"

#include <fmt/format.h>

#include <algorithm>

namespace lockstep {
namespace {

template <class T>
bool among(const std::vector<T>& all, const T& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

bool rows_count(const Conditions& condition, const Graph& graph, const StepInput& input) {
  const SliceSpec& slice = graph.slices[input.slice.value];
  bool table = condition.tables.empty() || among(condition.tables, {slice.source, slice.table});
  return table && (condition.slices.empty() || among(condition.slices, input.name));
}

// The globs of an input's source; none: nothing of it counts.
std::vector<std::string> paths_of(const Conditions& condition, const std::string& source) {
  std::vector<std::string> globs;
  for (const auto& [place, glob] : condition.paths) {
    if (place == source) globs.push_back(glob);
  }
  return globs;
}

const std::string* find(const std::map<std::string, std::string>& all, const std::string& name) {
  auto found = all.find(name);
  return found == all.end() ? nullptr : &found->second;
}

class Weighing {
 public:
  Weighing(const Survey& survey, StepId id, const LastRead& last)
      : survey_(survey),
        step_(survey.graph->step(id)),
        condition_(*survey.graph->tmpl(id).condition),
        last_(last) {}

  Weighed weigh(const std::vector<Reason>& reasons) {
    for (const Reason& reason : reasons) {
      bool counts = !reason.content || !(reason.kind == "rows" || reason.kind == "code");
      if (counts || !look_at(reason)) return {true, unknown_};
    }
    uint64_t needed = condition_.min_changed_rows;
    if (needed > 1 && rows_ >= needed) return {true, ""};
    std::string text = needed > 1 ? fmt::format("{} of {} changed rows", rows_, needed)
                                  : "nothing that counts has changed";
    if (needed > 1 && other_) text += ", and changes that do not count";
    return {false, text};
  }

 private:
  // False: it is enough by itself, or can't be counted.
  bool look_at(const Reason& reason) {
    for (const StepInput& input : step_.inputs) {
      if (input.name != reason.input) continue;
      return input.kind == InputKind::kRows ? look_at_rows(input) : look_at_files(input);
    }
    return false;
  }

  bool look_at_rows(const StepInput& input) {
    if (!rows_count(condition_, *survey_.graph, input)) return other_ = true;
    if (condition_.min_changed_rows <= 1) return false;
    const std::string* from = find(last_.rows, input.name);
    auto answer = survey_.answers.rows.end();
    if (from) answer = survey_.answers.rows.find({input.slice, *from});
    // Other bytes without a row that differs: a column has another type.
    if (answer == survey_.answers.rows.end() || answer->second == 0) {
      return not_known("rows of " + survey_.graph->slices[input.slice.value].name());
    }
    rows_ += answer->second;
    return true;
  }

  bool look_at_files(const StepInput& input) {
    if (condition_.paths.empty()) return false;
    const std::string& source = survey_.graph->code[input.code.value].source;
    std::vector<std::string> globs = paths_of(condition_, source);
    if (globs.empty()) return other_ = true;
    const std::string* from = find(last_.code, source);
    auto answer = survey_.answers.files.end();
    if (from) answer = survey_.answers.files.find({input.code, *from, globs});
    if (answer == survey_.answers.files.end()) return not_known("files of " + source);
    if (answer->second > 0) return false;
    return other_ = true;
  }

  bool not_known(const std::string& what) {
    unknown_ =
        fmt::format("which {} changed since its last result can't be told, so it runs", what);
    return false;
  }

  const Survey& survey_;
  const Step& step_;
  const Conditions& condition_;
  const LastRead& last_;
  uint64_t rows_ = 0;
  bool other_ = false;
  std::string unknown_;
};

}  // namespace

void ask(const Survey& survey, StepId id, const LastRead& last, Questions& questions) {
  const Graph& graph = *survey.graph;
  const std::optional<Conditions>& condition = graph.tmpl(id).condition;
  if (!condition) return;
  for (const StepInput& input : graph.step(id).inputs) {
    if (input.kind == InputKind::kRows && condition->min_changed_rows > 1) {
      const std::string* from = find(last.rows, input.name);
      if (from && rows_count(*condition, graph, input)) questions.rows.insert({input.slice, *from});
    }
    if (input.kind == InputKind::kCode && !condition->paths.empty()) {
      const std::string& source = graph.code[input.code.value].source;
      const std::string* from = find(last.code, source);
      std::vector<std::string> globs = paths_of(*condition, source);
      if (from && !globs.empty()) questions.files.insert({input.code, *from, std::move(globs)});
    }
  }
}

Weighed weigh(const Survey& survey, StepId id, const InputDigests& inputs,
              const std::string& before, const LastRead& last) {
  return Weighing(survey, id, last).weigh(explain(survey, id, inputs, before));
}

bool content_differs(const Survey& survey, StepId id, const std::string& before) {
  Json recorded = parse_json(before, "a recorded recipe").value("inputs", Json::object());
  for (const StepInput& input : survey.graph->step(id).inputs) {
    bool rows = input.kind == InputKind::kRows;
    if (!rows && input.kind != InputKind::kCode) continue;
    const Digest& now =
        rows ? survey.slices[input.slice.value].digest : survey.code[input.code.value].digest;
    Json old = recorded.value(input.name, Json::object());
    if (old.value("digest", "") != now.hex()) return true;
  }
  return false;
}

}  // namespace lockstep
