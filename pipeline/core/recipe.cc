#include "pipeline/core/recipe.h"

#include <fmt/format.h>

namespace lockstep {
namespace {

std::string_view kind_word(InputKind kind) {
  switch (kind) {
    case InputKind::kRows:
      return "rows";
    case InputKind::kCode:
      return "code";
    case InputKind::kOutput:
      return "output";
    case InputKind::kModel:
      return "model";
  }
  return "rows";
}

Json input_json(const StepInput& input, const Digest& digest) {
  Json out = {{"kind", kind_word(input.kind)}, {"digest", digest.hex()}};
  if (input.kind != InputKind::kRows) return out;
  out["columns"] = input.columns;
  out["format"] = input.format;
  if (input.holdout) {
    out["holdout"] = {{"fraction", input.holdout->fraction},
                      {"key", input.holdout->key},
                      {"salt", input.holdout->salt}};
  }
  return out;
}

// The walk. The visitor sees (section, name, value) for everything that decides the result, and
// nothing else: names of step, workflow and model, needs, resources, timeouts, retries and gates
// stay out (docs/FORMATS.md).
template <class Visitor>
void walk_recipe(const Survey& survey, StepId id, const InputDigests& inputs, Visitor& visit) {
  const Step& step = survey.graph->step(id);
  const StepTemplate& tmpl = survey.graph->tmpl(id);
  if (!tmpl.uses.empty()) {
    visit("definition", "uses", Json{{"name", tmpl.uses}, {"revision", tmpl.revision}});
  } else {
    visit("definition", "run", Json(tmpl.run));
  }
  for (const auto& [name, value] : step.with.items()) visit("with", name, value);
  for (const auto& [name, value] : step.env) visit("env", name, Json(value));
  for (const auto& [name, file] : tmpl.outputs) visit("outputs", name, Json(file));
  for (const std::string& name : tmpl.secrets) visit("secrets", name, Json(true));
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    visit("inputs", step.inputs[i].name, input_json(step.inputs[i], inputs[i]));
  }
  // The class, not the model of the device: a new card of the same kind retrains nothing.
  visit("environment", "device", Json(tmpl.resources.gpu_memory_bytes > 0 ? "gpu" : "cpu"));
  for (CodeId lock : step.lock_files) {
    visit("environment", "files", Json(survey.code[lock.value].digest.hex()));
  }
}

struct DocumentVisitor {
  Json document = {{"format", 1}};
  void operator()(const char* section, const std::string& name, Json value) {
    document[section][name] = std::move(value);
  }
};

std::string shown(const Json& value) {
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  return text.size() > 40 ? text.substr(0, 37) + "…" : text;
}

// One line for an input whose recorded form differs.
std::string input_change(const Json& before, const Json& now) {
  std::string kind = now.at("kind");
  if (before.value("digest", "") != now.at("digest")) {
    return kind == "rows" ? "rows changed" : kind == "code" ? "files changed" : kind + " changed";
  }
  if (before.value("columns", Json()) != now.value("columns", Json())) return "columns changed";
  if (before.value("holdout", Json()) != now.value("holdout", Json())) return "holdout changed";
  return "format changed";
}

struct ExplainVisitor {
  Json before;
  std::vector<Reason> reasons;

  void operator()(const std::string& section, const std::string& name, const Json& value) {
    std::optional<Json> old;
    auto found = before.find(section);
    if (found != before.end() && found->contains(name)) {
      old = (*found)[name];
      found->erase(name);
    }
    // As the document has them: two numbers that a double can't tell apart are two.
    if (old && canonical_json(*old) == canonical_json(value)) return;
    bool is_input = section == "inputs";
    std::string label = is_input || section == "definition" ? name : section + "." + name;
    std::string kind = is_input ? value.at("kind").get<std::string>() : "definition";
    if (!old) {
      reasons.push_back({label, kind, "new"});
    } else if (is_input) {
      reasons.push_back({label, kind, input_change(*old, value)});
    } else {
      reasons.push_back({label, kind, fmt::format("{} → {}", shown(*old), shown(value))});
    }
  }

  void what_is_gone() {
    for (const auto& [section, items] : before.items()) {
      if (!items.is_object()) continue;
      for (const auto& [name, value] : items.items()) {
        bool bare = section == "inputs" || section == "definition";
        std::string label = bare ? name : section + "." + name;
        reasons.push_back({label, "definition", "removed"});
      }
    }
  }
};

}  // namespace

Recipe make_recipe(const Survey& survey, StepId step, const InputDigests& inputs) {
  DocumentVisitor visitor;
  walk_recipe(survey, step, inputs, visitor);
  Recipe recipe;
  recipe.document = canonical_json(visitor.document);
  recipe.fingerprint = sha256(recipe.document);
  return recipe;
}

std::vector<Reason> explain(const Survey& survey, StepId step, const InputDigests& inputs,
                            const std::string& before) {
  if (before.empty()) return {{"", "first", "never run before"}};
  ExplainVisitor visitor;
  try {
    visitor.before = Json::parse(before);
    walk_recipe(survey, step, inputs, visitor);
    visitor.what_is_gone();
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::kCorrupt, std::string("a recorded recipe is damaged: ") + e.what());
  }
  return std::move(visitor.reasons);
}

bool same_rows(const Survey& survey, StepId id, const std::string& before) {
  Json recorded = parse_json(before, "a recorded recipe").value("inputs", Json::object());
  for (const StepInput& input : survey.graph->step(id).inputs) {
    if (input.kind != InputKind::kRows) continue;
    Json old = recorded.value(input.name, Json::object());
    if (old.value("digest", "") != survey.slices[input.slice.value].digest.hex()) return false;
  }
  return true;
}

}  // namespace lockstep
