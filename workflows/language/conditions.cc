// When a step or a workflow runs: `if`, `concurrency`, `debounce-seconds`, `on: {workflow: …}`.
#include "workflows/language/conditions.h"

#include <fmt/core.h>

#include <algorithm>

#include "workflows/language/readers.h"

namespace lockstep {
namespace {

constexpr int64_t kMostRows = 1'000'000'000'000;
constexpr int64_t kLongestQuiet_s = 86'400;

bool has_input(const StepTemplate& step, InputKind kind) {
  return std::any_of(step.inputs.begin(), step.inputs.end(),
                     [&](const InputTemplate& input) { return input.kind == kind; });
}

// Every text of a list that reads as one; what is no list of different texts is reported.
template <class Use>
void each_text(const YamlNode& node, const std::string& what, Diagnostics& diagnostics, Use use) {
  read_texts(node, what, diagnostics);
  for (const YamlNode& item : node.is_list() ? node.items() : std::vector<YamlNode>()) {
    auto text = as_text(item);
    if (text && !text->empty() && text->find("${{") == std::string::npos) use(*text, item.place());
  }
}

void read_paths(Fields& fields, const StepScope& scope, const StepTemplate& step,
                Conditions& condition) {
  const YamlNode* node = fields.take("paths");
  if (node == nullptr) return;
  if (!has_input(step, InputKind::kCode)) {
    scope.diagnostics.error(node->place(), scope.what + " reads no code, so no paths can count",
                            "inputs: {code: {paths: [\"train/**\"]}}");
  }
  std::string what = fields.of("paths");
  each_text(*node, what, scope.diagnostics, [&](const std::string& text, const Place& place) {
    Prefixed found = resolve_glob(text, place, scope.sources, scope.diagnostics);
    check_path(found.rest, place, what, scope.diagnostics);
    condition.paths.emplace_back(found.source, found.rest);
  });
}

void read_tables(Fields& fields, const StepScope& scope, const StepTemplate& step,
                 Conditions& condition) {
  const YamlNode* node = fields.take("tables");
  if (node == nullptr) return;
  each_text(*node, fields.of("tables"), scope.diagnostics,
            [&](const std::string& text, const Place& place) {
              Prefixed found = resolve_table(text, place, scope.sources, scope.diagnostics);
              condition.tables.emplace_back(found.source, found.rest);
              std::vector<std::string> names;
              for (const InputTemplate& input : step.inputs) {
                if (input.kind != InputKind::kRows) continue;
                if (input.source == found.source && input.table == found.rest) return;
                names.push_back(input.table);
              }
              scope.diagnostics.error(
                  place, fmt::format("{} does not read the table \"{}\"", scope.what, shown(text)),
                  did_you_mean(found.rest, names));
            });
}

void read_slices(Fields& fields, const StepScope& scope, const StepTemplate& step,
                 Conditions& condition) {
  const YamlNode* node = fields.take("slices");
  if (node == nullptr) return;
  std::vector<std::string> names;
  for (const InputTemplate& input : step.inputs) {
    if (input.kind == InputKind::kRows) names.push_back(input.name);
  }
  each_text(*node, fields.of("slices"), scope.diagnostics,
            [&](const std::string& text, const Place& place) {
              condition.slices.push_back(text);
              if (std::find(names.begin(), names.end(), text) != names.end()) return;
              scope.diagnostics.error(
                  place,
                  fmt::format("{} has no input \"{}\" that reads rows", scope.what, shown(text)),
                  did_you_mean(text, names));
            });
}

void read_rows(Fields& fields, const StepScope& scope, const StepTemplate& step,
               Conditions& condition) {
  const YamlNode* node = fields.take("min-changed-rows");
  if (node == nullptr) return;
  auto count = read_integer(*node, fields.of("min-changed-rows"), 1, kMostRows, scope.diagnostics);
  condition.min_changed_rows = static_cast<uint64_t>(count.value_or(1));
  if (has_input(step, InputKind::kRows)) return;
  scope.diagnostics.error(node->place(), scope.what + " reads no rows, so none can change",
                          "inputs: {rows: {table: …}}");
}

// The group's name may refer to `matrix`.
std::optional<TemplateText> read_group(const YamlNode& node, const std::string& what,
                                       const std::vector<std::string>& matrix,
                                       Diagnostics& diagnostics) {
  auto text = as_text(node);
  bool plain = text && !text->empty() && text->size() <= 256 &&
               std::none_of(text->begin(), text->end(),
                            [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (!plain) {
    expected(node, what, "one line of text, the group's name", diagnostics);
    return std::nullopt;
  }
  return read_template(node, what, {matrix, std::nullopt, std::nullopt}, diagnostics);
}

}  // namespace

void read_condition(Fields& step_fields, const StepScope& scope, StepTemplate& step) {
  const YamlNode* node = step_fields.take("if");
  if (node == nullptr) return;
  if (node->is_scalar()) {
    return scope.diagnostics.error(
        node->place(), step_fields.of("if") + " is a map of conditions; there are no expressions",
        "if: {paths: [\"train/**\"], min-changed-rows: 50}");
  }
  Fields fields(*node, step_fields.of("if"), scope.diagnostics);
  if (!fields.is_map()) return;
  if (node->entries().empty())
    expected(*node, fields.what(), "a map of conditions", scope.diagnostics);
  Conditions condition;
  read_paths(fields, scope, step, condition);
  read_tables(fields, scope, step, condition);
  read_slices(fields, scope, step, condition);
  read_rows(fields, scope, step, condition);
  fields.finish();
  step.condition = std::move(condition);
}

std::optional<ConcurrencySpec> read_concurrency(Fields& outer,
                                                const std::vector<std::string>& matrix,
                                                Diagnostics& diagnostics) {
  const YamlNode* node = outer.take("concurrency");
  if (node == nullptr) return std::nullopt;
  ConcurrencySpec spec;
  std::optional<TemplateText> group;
  if (node->is_scalar()) {
    group = read_group(*node, outer.of("concurrency"), matrix, diagnostics);
  } else {
    Fields fields(*node, outer.of("concurrency"), diagnostics);
    if (!fields.is_map()) return std::nullopt;
    if (const YamlNode* name = fields.need("group", "the group's name")) {
      group = read_group(*name, fields.of("group"), matrix, diagnostics);
    }
    if (const YamlNode* cancel = fields.take("cancel-in-progress")) {
      spec.cancel_in_progress = read_bool(*cancel, fields.of("cancel-in-progress"), diagnostics);
    }
    fields.finish();
  }
  if (!group) return std::nullopt;
  spec.group = std::move(*group);
  return spec;
}

int64_t read_debounce(Fields& trigger, Diagnostics& diagnostics) {
  const YamlNode* node = trigger.take("debounce-seconds");
  if (node == nullptr) return 0;
  auto seconds =
      read_integer(*node, trigger.of("debounce-seconds"), 1, kLongestQuiet_s, diagnostics);
  return seconds.value_or(0) * 1000;
}

AfterSpec read_after(const YamlNode& node, Diagnostics& diagnostics) {
  AfterSpec after;
  const std::string what = "\"workflow\"";
  if (node.is_list()) {
    after.names = read_texts(node, what, diagnostics);
    return after;
  }
  if (!node.is_map()) {
    expected(node, what, "a list of workflows", diagnostics);
    return after;
  }
  Fields fields(node, "trigger \"workflow\"", diagnostics);
  if (const YamlNode* names = fields.need("names", "a list of workflows")) {
    after.names = read_texts(*names, fields.of("names"), diagnostics);
  }
  if (const YamlNode* result = fields.take("result")) {
    after.any = read_choice(*result, fields.of("result"), {"done", "any"}, diagnostics) == "any";
  }
  fields.finish();
  return after;
}

namespace {

std::string chain_text(const std::vector<const Workflow*>& path, size_t from) {
  std::string text;
  for (size_t i = from; i < path.size(); ++i) {
    text += fmt::format("{} ({}) → ", path[i]->name, path[i]->place);
  }
  return text + path[from]->name;
}

// Depth first; each circle is said once, at the workflow that it is found from first.
class Followers {
 public:
  Followers(const std::vector<Workflow>& workflows, Diagnostics& diagnostics)
      : diagnostics_(diagnostics) {
    for (const Workflow& one : workflows) by_name_.emplace(one.name, &one);
  }

  void check(const Workflow& workflow) {
    for (const std::string& name : workflow.after.names) {
      if (by_name_.count(name)) continue;
      std::vector<std::string> names;
      for (const auto& [known, one] : by_name_) names.push_back(known);
      say(workflow, fmt::format("on: workflow: there is no workflow \"{}\"", shown(name)),
          did_you_mean(name, names));
    }
    visit(workflow);
  }

 private:
  void say(const Workflow& workflow, std::string message, std::string hint) {
    diagnostics_.add(
        Error(ErrorCode::kInvalid, std::move(message), std::move(hint), workflow.place));
  }

  // An own stack: chains may be long.
  void visit(const Workflow& start) {
    if (done_.count(&start)) return;
    std::vector<const Workflow*> path = {&start};
    std::vector<size_t> next = {0};
    while (!path.empty()) {
      const Workflow& here = *path.back();
      if (next.back() == here.after.names.size()) {
        done_.insert(&here);
        path.pop_back();
        next.pop_back();
        continue;
      }
      auto target = by_name_.find(here.after.names[next.back()++]);
      if (target == by_name_.end() || done_.count(target->second)) continue;
      auto open = std::find(path.begin(), path.end(), target->second);
      if (open != path.end()) {
        size_t from = static_cast<size_t>(open - path.begin());
        say(**open, "workflows start each other in a circle: " + chain_text(path, from),
            "one of them must start by itself");
        continue;
      }
      path.push_back(target->second);
      next.push_back(0);
    }
  }

  std::map<std::string, const Workflow*> by_name_;
  std::set<const Workflow*> done_;
  Diagnostics& diagnostics_;
};

}  // namespace

void check_followers(const std::vector<Workflow>& workflows, Diagnostics& diagnostics) {
  Followers followers(workflows, diagnostics);
  for (const Workflow& workflow : workflows) followers.check(workflow);
}

}  // namespace lockstep
