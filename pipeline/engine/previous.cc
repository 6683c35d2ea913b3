// What the engine knows for `previous`: the rows that a step's last accepted result was made of.
#include "pipeline/engine/context.h"
#include "pipeline/engine/world.h"

namespace lockstep {
namespace {

// An input of an attempt, as it was prepared; null where it had none of that name.
Json prepared(const AttemptRecord& attempt, const std::string& name) {
  for (const Json& input : attempt.context.at("spec").at("inputs")) {
    if (input.at("name") == name) return input;
  }
  return nullptr;
}

Digest digest_in(const Json& recorded) {
  return Digest::parse(recorded.at("digest").get_ref<const std::string&>());
}

}  // namespace

std::optional<AttemptRecord> EngineWorld::last_attempt(const Step& step) {
  std::optional<Digest> last = last_accepted(step);
  if (!last) return std::nullopt;
  std::optional<ResultRecord> result = engine_.store_.result(*last);
  return result ? engine_.store_.attempt(result->attempt) : std::nullopt;
}

// Of rows that were cut in another way there is nothing to compare; nor of a commit that the branch
// has left, whose rows may be gone.
PreviousRows EngineWorld::previous(const Survey& survey, StepId id, const StepInput& input) {
  const Step& step = survey.graph->step(id);
  const StepInput& rows = step.inputs[input.rows];
  const SliceReading& reading = survey.slices[rows.slice.value];
  if (!reading.error.empty()) return {};  // the step is blocked
  const std::string recipe = last_recipe(step);
  std::optional<AttemptRecord> attempt = last_attempt(step);
  if (recipe.empty() || !attempt) return {};
  const Json inputs = parse_json(recipe, "a recorded recipe").value("inputs", Json::object());
  if (!inputs.contains(rows.name)) return {};
  const Digest before = digest_in(inputs.at(rows.name));
  if (before == reading.digest) {
    const Json held = prepared(*attempt, input.name);
    if (held.is_null() || held.at("kind") != "rows" || !inputs.contains(input.name)) return {};
    return {digest_in(inputs.at(input.name)), held.at("commit")};
  }
  const Json read = prepared(*attempt, rows.name);
  if (read.is_null() || read.at("kind") != "rows") return {};
  const std::string commit = read.at("commit");
  if (read != rows_input(survey, rows, rows.name, commit)) return {};
  if (survey.off_branch.count({read.at("source"), commit})) return {};
  return {before, commit};
}

// Asked before a plan is made, where the earlier rows of a step may be wanted.
void EngineWorld::ask_about_previous(const Survey& survey, StepId id, Questions& questions) {
  const Step& step = survey.graph->step(id);
  for (const StepInput& input : step.inputs) {
    if (input.kind != InputKind::kPrevious) continue;
    const std::string commit = previous(survey, id, input).commit;
    const SliceId slice = step.inputs[input.rows].slice;
    if (!commit.empty())
      questions.commits.emplace(survey.graph->slices[slice.value].source, commit);
  }
}

}  // namespace lockstep
