// Matrix expansion: templates × values → step instances.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "pipeline/core/graph.h"
#include "pipeline/core/names.h"

namespace lockstep {
namespace {

using Values = std::map<std::string, std::string>;

bool begins_with_reference(const TemplateText& text) {
  return !text.parts.empty() && text.parts.front().reference;
}

class Expansion {
 public:
  Expansion(const AxisReader& axis, const Values& commits) : axis_(axis), commits_(commits) {}

  void add(const Workflow& workflow) {
    for (const StepTemplate& tmpl : workflow.steps) {
      uint32_t index = static_cast<uint32_t>(graph.templates.size());
      graph.templates.push_back(tmpl);
      templates_[{workflow.name, tmpl.name}] = index;
      try {
        for (const Values& values : combinations(workflow, tmpl)) {
          add_step(workflow, tmpl, index, values);
        }
      } catch (const Error& error) {
        graph.incomplete = true;
        graph.problems.push_back({tmpl.name, error.what()});
      }
    }
    for (const ChannelSpec& channel : workflow.channels) graph.channels.push_back(channel);
  }

  // Inputs that name other steps can only be tied once all steps are there.
  void tie() {
    std::map<std::pair<uint32_t, Values>, StepId> instances;
    for (uint32_t i = 0; i < graph.steps.size(); ++i) {
      instances[{graph.steps[i].tmpl, graph.steps[i].matrix}] = StepId{i};
    }
    for (Step& step : graph.steps) {
      const StepTemplate& tmpl = graph.templates[step.tmpl];
      for (const std::string& need : tmpl.needs) tie_need(step, need);
      for (size_t i = 0; i < tmpl.inputs.size(); ++i) {
        if (tmpl.inputs[i].kind != InputKind::kOutput) continue;
        step.inputs[i].step = producer_of(step, tmpl.inputs[i].step, instances);
      }
    }
  }

  Graph graph;

 private:
  std::vector<Values> combinations(const Workflow& workflow, const StepTemplate& tmpl) {
    std::vector<Values> all = {{}};
    for (const MatrixAxis& axis : tmpl.matrix) {
      AxisValues found;
      found.values = axis.values;
      if (!axis.table.empty()) found = axis_(axis);
      if (found.unmapped > 0) {
        graph.problems.push_back(
            {workflow.name + "/" + tmpl.name,
             fmt::format("{} rows of {} have no {} and belong to no instance (map them with "
                         "`null-as`)",
                         found.unmapped, axis.table, axis.column)});
      }
      std::vector<Values> wider;
      for (const Values& base : all) {
        for (const std::string& value : found.values) {
          wider.push_back(base);
          wider.back()[axis.name] = value;
        }
      }
      all = std::move(wider);
    }
    return all;
  }

  static std::string instance_name(const StepTemplate& tmpl, const Values& values) {
    if (values.empty()) return tmpl.name;
    std::vector<std::string> parts;
    for (const MatrixAxis& axis : tmpl.matrix) {
      parts.push_back(axis.name + "=" + encode_value(values.at(axis.name), true));
    }
    return fmt::format("{}[{}]", tmpl.name, fmt::join(parts, ","));
  }

  std::string reference(const std::string& name, const Values& matrix, const Values& env) const {
    std::string rest = name.substr(name.find('.') + 1);
    const Values& from = name.starts_with("matrix.") ? matrix
                         : name.starts_with("env.")  ? env
                                                     : commits_;
    auto found = from.find(rest);
    if (found == from.end()) {
      throw Error(ErrorCode::kInvalid, fmt::format("${{{{ {} }}}} has no value", name));
    }
    return found->second;
  }

  // A name built from data: each value is encoded, the whole is bounded.
  std::string name_text(const TemplateText& text, const Values& matrix, const Values& env) const {
    bool first = begins_with_reference(text);
    std::string name = resolve_text(text, [&](const std::string& ref) {
      std::string value = encode_value(reference(ref, matrix, env), first);
      first = false;
      return value;
    });
    return bounded_name(name);
  }

  Json resolve_json(const Json& value, const Values& matrix, const Values& env) const {
    if (value.is_string()) {
      const std::string& text = value.get_ref<const std::string&>();
      if (text.find("${{") == std::string::npos) return value;
      return resolve_text(parse_template(text),
                          [&](const std::string& ref) { return reference(ref, matrix, env); });
    }
    if (!value.is_structured()) return value;
    Json out = value;
    for (Json& item : out) item = resolve_json(item, matrix, env);
    return out;
  }

  SliceId slice(const InputTemplate& input, const Values& matrix, const Values& env) {
    SliceSpec spec{input.source, input.table, input.at, input.columns, {}, {}};
    std::sort(spec.columns.begin(), spec.columns.end());
    if (input.holdout) spec.holdout_key = input.holdout->key;
    std::sort(spec.holdout_key.begin(), spec.holdout_key.end());
    for (const auto& [column, text] : input.where) {
      spec.where[column] =
          resolve_text(text, [&](const std::string& ref) { return reference(ref, matrix, env); });
    }
    auto [found, fresh] =
        slices_.emplace(spec, SliceId{static_cast<uint32_t>(graph.slices.size())});
    if (fresh) graph.slices.push_back(spec);
    return found->second;
  }

  CodeId code(CodeSpec spec) {
    auto [found, fresh] = code_.emplace(spec, CodeId{static_cast<uint32_t>(graph.code.size())});
    if (fresh) graph.code.push_back(spec);
    return found->second;
  }

  StepInput input(const InputTemplate& in, const Values& matrix, const Values& env) {
    StepInput out;
    out.name = in.name;
    out.kind = in.kind;
    if (in.kind == InputKind::kRows) {
      out.slice = slice(in, matrix, env);
      out.columns = in.columns;
      out.holdout = in.holdout;
      out.format = in.format;
    }
    if (in.kind == InputKind::kCode) out.code = code({in.source, in.at, in.paths});
    if (in.kind == InputKind::kOutput) out.output = in.output;
    if (in.kind == InputKind::kModel) out.model = name_text(in.model, matrix, env);
    return out;
  }

  void add_step(const Workflow& workflow, const StepTemplate& tmpl, uint32_t index,
                const Values& matrix) {
    Step step;
    step.name = instance_name(tmpl, matrix);
    step.workflow = workflow.name;
    step.on_data = workflow.on_data;
    step.on_code = workflow.on_code;
    step.tmpl = index;
    step.matrix = matrix;
    for (const auto& [name, text] : tmpl.env) {
      // One variable may not read another: the order would matter.
      step.env[name] =
          resolve_text(text, [&](const std::string& ref) { return reference(ref, matrix, {}); });
    }
    step.with = resolve_json(tmpl.with, matrix, step.env);
    for (const InputTemplate& in : tmpl.inputs) step.inputs.push_back(input(in, matrix, step.env));
    if (!tmpl.environment.files.empty()) {
      step.lock_files.push_back(code({workflow.source, "", tmpl.environment.files}));
    }
    if (tmpl.registers) step.registers = name_text(*tmpl.registers, matrix, step.env);
    if (tmpl.renamed_from) step.renamed_from = name_text(*tmpl.renamed_from, matrix, step.env);
    graph.steps.push_back(std::move(step));
  }

  void tie_need(Step& step, const std::string& need) {
    uint32_t tmpl = templates_.at({step.workflow, need});
    for (uint32_t i = 0; i < graph.steps.size(); ++i) {
      if (graph.steps[i].tmpl == tmpl) step.needs.push_back(StepId{i});
    }
  }

  // The instance of `name` whose matrix values are those of the reading step.
  StepId producer_of(const Step& step, const std::string& name,
                     const std::map<std::pair<uint32_t, Values>, StepId>& instances) {
    uint32_t tmpl = templates_.at({step.workflow, name});
    Values values;
    for (const MatrixAxis& axis : graph.templates[tmpl].matrix) {
      auto found = step.matrix.find(axis.name);
      if (found != step.matrix.end()) values[axis.name] = found->second;
    }
    auto found = instances.find({tmpl, values});
    if (found == instances.end()) {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("{} reads an output of {}, which has no instance with the same "
                              "matrix values",
                              step.name, name),
                  "give both steps the same matrix");
    }
    return found->second;
  }

  const AxisReader& axis_;
  const Values& commits_;
  std::map<std::pair<std::string, std::string>, uint32_t> templates_;
  std::map<SliceSpec, SliceId> slices_;
  std::map<CodeSpec, CodeId> code_;
};

}  // namespace

Graph expand(const std::vector<Workflow>& workflows, const AxisReader& axis,
             const std::map<std::string, std::string>& commits) {
  Expansion expansion(axis, commits);
  for (const Workflow& workflow : workflows) expansion.add(workflow);
  expansion.tie();
  link(expansion.graph);
  return std::move(expansion.graph);
}

}  // namespace lockstep
