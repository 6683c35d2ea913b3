#include "pipeline/core/recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

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
    case InputKind::kPrevious:
      return "previous";
  }
  return "rows";
}

// Its keys are written in their order, which is that of canonical JSON.
// `all`: the columns of the table, where the input names none.
std::string input_text(const StepInput& input, const Digest& digest,
                       const std::vector<std::string>* all) {
  std::string kind = fmt::format("\"kind\":\"{}\"}}", kind_word(input.kind));
  std::string out = "{";
  bool rows = input.kind == InputKind::kRows;
  if (rows)
    out +=
        "\"columns\":" + canonical_json(input.columns.empty() && all ? *all : input.columns) + ",";
  out += "\"digest\":\"" + digest.hex() + "\",";
  if (rows) out += "\"format\":" + canonical_text(input.format) + ",";
  if (rows && input.holdout) {
    Json holdout = {{"fraction", input.holdout->fraction},
                    {"key", input.holdout->key},
                    {"salt", input.holdout->salt}};
    out += "\"holdout\":" + canonical_json(holdout) + ",";
  }
  return out + kind;
}

// The walk. The visitor sees (section, name, value as canonical JSON) for everything that decides
// the result, and nothing else: names of step, workflow and model, needs, resources, timeouts,
// retries and gates stay out (docs/FORMATS.md).
template <class Visitor>
void walk_recipe(const Survey& survey, StepId id, const InputDigests& inputs, Visitor& visit) {
  const Step& step = survey.graph->step(id);
  const StepTemplate& tmpl = survey.graph->tmpl(id);
  if (!tmpl.uses.empty()) {
    Json uses = {{"name", tmpl.uses}, {"revision", tmpl.revision}};
    visit("definition", "uses", canonical_json(uses));
  } else {
    visit("definition", "run", canonical_text(tmpl.run));
  }
  for (const auto& [name, value] : step.with.items()) visit("with", name, canonical_json(value));
  for (const auto& [name, value] : step.env) visit("env", name, canonical_text(value));
  for (const auto& [name, file] : tmpl.outputs) visit("outputs", name, canonical_text(file));
  for (const std::string& name : tmpl.secrets) visit("secrets", name, "true");
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    const StepInput& input = step.inputs[i];
    const std::vector<std::string>* all = nullptr;
    if (input.kind == InputKind::kRows) all = survey.slices[input.slice.value].columns.get();
    visit("inputs", input.name, input_text(input, inputs[i], all));
  }
  // The class, not the model of the device: a new card of the same kind retrains nothing.
  visit("environment", "device", tmpl.resources.gpu_memory_bytes > 0 ? "\"gpu\"" : "\"cpu\"");
  for (CodeId lock : step.lock_files) {
    visit("environment", "files", "\"" + survey.code[lock.value].digest.hex() + "\"");
  }
}

// Writes the document without building it: sections and the names in each sorted by bytes, empty
// sections left out. Of two values with one name the last one stays.
class DocumentVisitor {
 public:
  void operator()(std::string_view section, const std::string& name, std::string value) {
    items_.push_back({section, name, std::move(value)});
  }

  std::string text() {
    items_.push_back({"format", "", "1"});
    std::stable_sort(items_.begin(), items_.end(), before);
    std::string out;
    for (size_t i = 0; i < items_.size(); ++i) {
      const Item& item = items_[i];
      if (i + 1 < items_.size() && !before(item, items_[i + 1])) continue;
      bool opens = out.empty() || section_ != item.section;
      if (opens && !out.empty()) out += section_ == "format" ? "," : "},";
      if (opens) out += fmt::format("{}\"{}\":", out.empty() ? "{" : "", item.section);
      section_ = item.section;
      if (item.section == "format") {
        out += item.value;
        continue;
      }
      out += opens ? '{' : ',';
      out += canonical_text(item.name);
      out += ':';
      out += item.value;
    }
    return out + (section_ == "format" ? "}" : "}}");
  }

 private:
  struct Item {
    std::string_view section;
    std::string name, value;
  };
  static bool before(const Item& a, const Item& b) {
    return std::tie(a.section, a.name) < std::tie(b.section, b.name);
  }

  std::vector<Item> items_;
  std::string_view section_;
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

bool only_digest(Json before, Json now) {
  before.erase("digest");
  now.erase("digest");
  return before == now;
}

struct ExplainVisitor {
  Json before;
  std::vector<Reason> reasons;

  void operator()(const std::string& section, const std::string& name, const std::string& text) {
    Json value = Json::parse(text);
    std::optional<Json> old;
    auto found = before.find(section);
    if (found != before.end() && found->contains(name)) {
      old = (*found)[name];
      found->erase(name);
    }
    // As the document has them: two numbers that a double can't tell apart are two.
    if (old && canonical_json(*old) == text) return;
    bool is_input = section == "inputs";
    std::string label = is_input || section == "definition" ? name : section + "." + name;
    std::string kind = is_input ? value.at("kind").get<std::string>() : "definition";
    if (!old) {
      reasons.push_back({label, kind, "new"});
    } else if (is_input) {
      reasons.push_back({label, kind, input_change(*old, value), only_digest(*old, value)});
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
  recipe.document = visitor.text();
  recipe.fingerprint = sha256(recipe.document);
  return recipe;
}

bool Recipes::same(const Known& known, const Survey& survey, const Step& step,
                   const InputDigests& inputs) {
  if (!known.recipe || known.inputs != inputs) return false;
  for (size_t i = 0; i < step.lock_files.size(); ++i) {
    if (known.lock_files[i] != survey.code[step.lock_files[i].value].digest) return false;
  }
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    if (step.inputs[i].kind != InputKind::kRows) continue;
    const auto& was = known.columns[i];
    const auto& now = survey.slices[step.inputs[i].slice.value].columns;
    if (was != now && (!was || !now || *was != *now)) return false;
  }
  return true;
}

std::shared_ptr<const Recipe> Recipes::of(const Survey& survey, StepId id,
                                          const InputDigests& inputs) {
  if (graph_ != survey.graph) {
    graph_ = survey.graph;
    known_.assign(graph_->steps.size(), {});
  }
  Known& known = known_[id.value];
  const Step& step = graph_->step(id);
  if (same(known, survey, step, inputs)) return known.recipe;
  known = {inputs, {}, {}, std::make_shared<const Recipe>(make_recipe(survey, id, inputs))};
  for (CodeId lock : step.lock_files) known.lock_files.push_back(survey.code[lock.value].digest);
  for (const StepInput& input : step.inputs) {
    bool rows = input.kind == InputKind::kRows;
    known.columns.push_back(rows ? survey.slices[input.slice.value].columns : nullptr);
  }
  return known.recipe;
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
  // Earlier rows are others only because the rows are: that is the reason.
  std::vector<Reason> all = std::move(visitor.reasons), rest;
  std::copy_if(all.begin(), all.end(), std::back_inserter(rest),
               [](const Reason& reason) { return !reason.content || reason.kind != "previous"; });
  return rest.empty() ? all : rest;
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
