// Matrix expansion: templates × values → step instances.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "pipeline/core/graph.h"
#include "pipeline/core/inputs.h"
#include "pipeline/core/names.h"

namespace lockstep {
namespace {

constexpr size_t kMostInstances = 100'000;  // of one step

using Values = std::map<std::string, std::string>;
using Instances = std::map<std::pair<uint32_t, Values>, StepId>;

bool begins_with_reference(const TemplateText& text) {
  return !text.parts.empty() && text.parts.front().reference;
}

bool has_reference(const TemplateText& text) {
  return std::any_of(text.parts.begin(), text.parts.end(),
                     [](const TemplateText::Part& part) { return part.reference; });
}

// Does the text stand for rows without a value: one reference to an axis, at the name that the
// axis gives to NULL?
bool means_no_value(const TemplateText& text, const StepTemplate& tmpl, const Values& matrix) {
  if (text.parts.size() != 1 || !text.parts[0].reference) return false;
  return std::any_of(tmpl.matrix.begin(), tmpl.matrix.end(), [&](const MatrixAxis& axis) {
    return text.parts[0].text == "matrix." + axis.name && axis.null_as &&
           matrix.at(axis.name) == *axis.null_as;
  });
}

class Expansion {
 public:
  Expansion(const AxisReader& axis, const Values& commits) : axis_(axis), commits_(commits) {}

  void add(const Workflow& workflow) {
    if (!workflow.branches.empty()) graph.branches[workflow.name] = workflow.branches;
    if (!workflow.after.names.empty()) graph.after[workflow.name] = workflow.after;
    add_quiet(workflow);
    if (!workflow.tags.empty()) graph.tags[workflow.name] = workflow.tags;
    graph.home[workflow.name] = workflow.source;
    take_inputs(workflow);
    if (!workflow.schedules.empty()) graph.schedules[workflow.name] = workflow.schedules;
    if (!workflow.ci.empty()) {
      graph.ci[workflow.source].insert(workflow.ci.begin(), workflow.ci.end());
    }
    for (const StepTemplate& tmpl : workflow.steps) {
      uint32_t index = static_cast<uint32_t>(graph.templates.size());
      graph.templates.push_back(tmpl);
      templates_[{workflow.name, tmpl.name}] = index;
      try {
        add_steps(workflow, tmpl, index);
      } catch (const Error& error) {
        if (error.code == ErrorCode::kUnavailable) throw;  // instances must not come and go with it
        unread_.insert(index);
        leave_out(workflow.name + "/" + tmpl.name, error.what());
      }
    }
    for (const ChannelSpec& channel : workflow.channels) {
      graph.channels.push_back(channel);
      graph.channels.back().source = workflow.source;
    }
  }

  // Inputs that name other steps can only be tied once all steps are there.
  void tie() {
    drop_rivals();
    Instances instances = drop_untied();
    std::map<uint32_t, std::vector<StepId>> of_template;
    for (uint32_t i = 0; i < graph.steps.size(); ++i) {
      of_template[graph.steps[i].tmpl].push_back(StepId{i});
    }
    for (Step& step : graph.steps) {
      const StepTemplate& tmpl = graph.templates[step.tmpl];
      for (const std::string& need : tmpl.needs) {
        const std::vector<StepId>& all = of_template[templates_.at({step.workflow, need})];
        step.needs.insert(step.needs.end(), all.begin(), all.end());
      }
      for (size_t i = 0; i < tmpl.inputs.size(); ++i) {
        if (tmpl.inputs[i].kind != InputKind::kOutput) continue;
        step.inputs[i].step = instances.at(producer_of(step, tmpl.inputs[i].step));
      }
    }
  }

  Graph graph;

 private:
  // One without a value stands for nothing in names; a step that has it does not run.
  void take_inputs(const Workflow& workflow) {
    inputs_ = standard_inputs(workflow.inputs);
    inputs_.update(workflow.values);
    missing_input_.clear();
    if (!workflow.inputs.empty()) graph.inputs[workflow.name] = workflow.inputs;
    for (const WorkflowInput& input : workflow.inputs) {
      if (!inputs_[input.name].is_null()) continue;
      inputs_[input.name] = nothing_of(input);
      missing_input_ = input.name;
    }
  }

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
                         "`map-null`)",
                         found.unmapped, axis.table, axis.column)});
      }
      std::erase_if(found.values, [&](const std::string& value) {
        if (valid_utf8(value)) return false;
        graph.problems.push_back(
            {workflow.name + "/" + tmpl.name,
             fmt::format("a value of {}.{} is not text and builds no instance ({})", axis.table,
                         axis.column, encode_value(value, true).substr(0, 100))});
        return true;
      });
      if (all.size() * found.values.size() > kMostInstances) {
        throw Error(ErrorCode::kInvalid,
                    fmt::format("its matrix has more than {} instances", kMostInstances));
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
      parts.push_back(axis.name + "=" + bounded_name(encode_value(values.at(axis.name), true)));
    }
    return fmt::format("{}[{}]", tmpl.name, fmt::join(parts, ","));
  }

  std::string reference(const std::string& name, const Values& matrix, const Values& env) {
    std::string rest = name.substr(name.find('.') + 1);
    if (name.starts_with("inputs.") && inputs_.contains(rest)) return input_text(inputs_[rest]);
    const Values& from = name.starts_with("matrix.") ? matrix
                         : name.starts_with("env.")  ? env
                                                     : commits_;
    if (&from == &commits_) graph.commits_read.insert(rest);
    auto found = from.find(rest);
    if (found == from.end()) {
      throw Error(ErrorCode::kInvalid, fmt::format("${{{{ {} }}}} has no value", name));
    }
    return found->second;
  }

  // A parameter that is nothing but an input keeps its type: as if the value stood there.
  const Json* whole_input(const TemplateText& text) const {
    constexpr std::string_view kRoot = "inputs.";
    if (text.parts.size() != 1 || !text.parts[0].text.starts_with(kRoot)) return nullptr;
    auto found = inputs_.find(text.parts[0].text.substr(kRoot.size()));
    return text.parts[0].reference && found != inputs_.end() ? &*found : nullptr;
  }

  // A name built from data: each value is encoded, the whole is bounded.
  std::string name_text(const TemplateText& text, const Values& matrix, const Values& env) {
    bool first = begins_with_reference(text);
    std::string name = resolve_text(text, [&](const std::string& ref) {
      std::string value = encode_value(reference(ref, matrix, env), first);
      first = false;
      return value;
    });
    return bounded_name(name);
  }

  Json resolve_json(const Json& value, const Values& matrix, const Values& env) {
    if (value.is_string()) {
      const std::string& text = value.get_ref<const std::string&>();
      if (text.find("${{") == std::string::npos) return value;
      TemplateText parsed = parse_template(text);
      if (const Json* input = whole_input(parsed)) return *input;
      return resolve_text(parsed,
                          [&](const std::string& ref) { return reference(ref, matrix, env); });
    }
    if (!value.is_structured()) return value;
    Json out = value;
    for (Json& item : out) item = resolve_json(item, matrix, env);
    return out;
  }

  SliceId slice(const StepTemplate& tmpl, const InputTemplate& input, const Values& matrix,
                const Values& env) {
    SliceSpec spec{input.source, input.table, input.at, input.columns, {}, {}};
    std::sort(spec.columns.begin(), spec.columns.end());
    if (input.holdout) spec.holdout_key = input.holdout->key;
    std::sort(spec.holdout_key.begin(), spec.holdout_key.end());
    for (const auto& [column, text] : input.where) {
      if (means_no_value(text, tmpl, matrix)) {
        spec.where[column] = "";
        continue;
      }
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

  StepInput input(const StepTemplate& tmpl, const InputTemplate& in, const Values& matrix,
                  const Values& env) {
    StepInput out;
    out.name = in.name;
    out.kind = in.kind;
    if (in.kind == InputKind::kRows) {
      out.slice = slice(tmpl, in, matrix, env);
      out.columns = in.columns;
      out.holdout = in.holdout;
      out.format = in.format;
    }
    if (in.kind == InputKind::kCode) out.code = code({in.source, in.at, in.paths});
    if (in.kind == InputKind::kOutput) out.output = in.output;
    if (in.kind == InputKind::kModel) out.model = name_text(in.model, matrix, env);
    if (in.kind == InputKind::kPrevious) {
      auto rows = std::find_if(tmpl.inputs.begin(), tmpl.inputs.end(),
                               [&](const InputTemplate& one) { return one.name == in.previous; });
      if (rows == tmpl.inputs.end()) throw Error(ErrorCode::kInvalid, "no input " + in.previous);
      out.rows = static_cast<uint32_t>(rows - tmpl.inputs.begin());
    }
    return out;
  }

  // What its versions are judged on.
  void add_evaluation(const StepTemplate& tmpl, Step& step) {
    if (!tmpl.evaluate) return;
    const EvaluateSpec& spec = *tmpl.evaluate;
    step.evaluate_with = resolve_json(spec.with, step.matrix, step.env);
    if (!tmpl.judged.champion.is_null()) {
      auto rows = std::find_if(tmpl.inputs.begin(), tmpl.inputs.end(),
                               [&](const InputTemplate& one) { return one.name == spec.rows; });
      if (rows == tmpl.inputs.end()) {
        throw Error(ErrorCode::kInvalid, fmt::format("evaluate: no input {}", spec.rows));
      }
      InputTemplate wider = *rows;
      if (!wider.columns.empty()) {
        wider.columns.insert(wider.columns.end(), spec.columns.begin(), spec.columns.end());
      }
      step.holdout_rows = input(tmpl, wider, step.matrix, step.env);
    }
    if (!tmpl.judged.expect) return;
    step.expect_rows = input(tmpl, *tmpl.judged.expect, step.matrix, step.env);
    step.expect_with = step.evaluate_with;
    step.expect_with.erase("columns");
    if (!tmpl.judged.expect_label.empty()) step.expect_with["label"] = tmpl.judged.expect_label;
  }

  // All instances of a step. Two values with one name are refused, both: neither may take the
  // other's model.
  void add_steps(const Workflow& workflow, const StepTemplate& tmpl, uint32_t index) {
    std::vector<Step> made;
    std::map<std::string, size_t> names, models;
    for (const Values& values : combinations(workflow, tmpl)) {
      made.push_back(make_step(workflow, tmpl, index, values));
      ++names[made.back().name];
      ++models[made.back().registers];
    }
    bool own_model = tmpl.registers && has_reference(*tmpl.registers);
    for (Step& step : made) {
      if (names[step.name] > 1) {
        leave_out(step.name, "two values of its matrix have this name");
      } else if (own_model && models[step.registers] > 1) {
        leave_out(step.name, fmt::format("another instance would register {} too", step.registers));
      } else {
        graph.steps.push_back(std::move(step));
      }
    }
  }

  // All commits of a source are planned at one, so the workflow that needs them soonest decides.
  void add_quiet(const Workflow& workflow) {
    std::map<std::string, int64_t> wanted;
    auto reads = [&](const std::string& source, const std::string& at, bool data) {
      bool listens = data ? workflow.on_data : workflow.on_code;
      int64_t quiet_ms = data ? workflow.quiet_data_ms : workflow.quiet_code_ms;
      if (listens && at.empty() && !source.empty()) wanted[source] = quiet_ms;
    };
    reads(workflow.source, "", false);
    for (const StepTemplate& tmpl : workflow.steps) {
      for (const MatrixAxis& axis : tmpl.matrix) reads(axis.source, "", true);
      for (const InputTemplate& input : tmpl.inputs) {
        bool data = input.kind == InputKind::kRows;
        if (data || input.kind == InputKind::kCode) reads(input.source, input.at, data);
      }
      if (tmpl.judged.expect) reads(tmpl.judged.expect->source, "", true);
    }
    for (const auto& [source, quiet_ms] : wanted) {
      auto [known, fresh] = graph.quiet_ms.emplace(source, quiet_ms);
      if (!fresh) known->second = std::min(known->second, quiet_ms);
    }
  }

  // A step that the data asks for can't be there: it is reported once, and as long as it is not
  // there no absence means anything.
  void leave_out(const std::string& where, const std::string& why) {
    graph.incomplete = true;
    bool said = std::any_of(graph.problems.begin(), graph.problems.end(), [&](const Problem& one) {
      return one.where == where && one.message == why;
    });
    if (!said) graph.problems.push_back({where, why});
  }

  Step make_step(const Workflow& workflow, const StepTemplate& tmpl, uint32_t index,
                 const Values& matrix) {
    Step step;
    step.name = instance_name(tmpl, matrix);
    step.workflow = workflow.name;
    step.on_data = workflow.on_data;
    step.on_code = workflow.on_code;
    step.missing_input = missing_input_;
    step.tmpl = index;
    step.matrix = matrix;
    for (const auto& [name, text] : tmpl.env) {
      // One variable may not read another: the order would matter.
      step.env[name] =
          resolve_text(text, [&](const std::string& ref) { return reference(ref, matrix, {}); });
    }
    step.with = resolve_json(tmpl.with, matrix, step.env);
    for (const InputTemplate& in : tmpl.inputs)
      step.inputs.push_back(input(tmpl, in, matrix, step.env));
    add_evaluation(tmpl, step);
    if (!tmpl.environment.files.empty()) {
      step.lock_files.push_back(code({workflow.source, "", tmpl.environment.files}));
    }
    for (const ConcurrencySpec& spec : tmpl.concurrency) {
      step.groups.insert(resolve_text(
          spec.group, [&](const std::string& ref) { return reference(ref, matrix, {}); }));
      if (!spec.cancel_in_progress) continue;
      step.cancel_in_progress = *spec.cancel_in_progress || step.cancel_in_progress.value_or(false);
    }
    if (tmpl.registers) step.registers = name_text(*tmpl.registers, matrix, step.env);
    if (tmpl.renamed_from) step.renamed_from = name_text(*tmpl.renamed_from, matrix, step.env);
    return step;
  }

  // The instance of `name` whose matrix values are those of the reading step.
  std::pair<uint32_t, Values> producer_of(const Step& step, const std::string& name) const {
    uint32_t tmpl = templates_.at({step.workflow, name});
    Values values;
    for (const MatrixAxis& axis : graph.templates[tmpl].matrix) {
      auto found = step.matrix.find(axis.name);
      if (found == step.matrix.end()) {
        throw Error(ErrorCode::kInvalid,
                    fmt::format("{} reads an output of {}, but has no matrix variable {}",
                                step.name, name, axis.name),
                    "give both steps the same matrix");
      }
      values[axis.name] = found->second;
    }
    return {tmpl, values};
  }

  // Why the step can't be tied to those it reads or needs; empty: it can.
  std::string untied(const Step& step, const Instances& instances) const {
    const StepTemplate& tmpl = graph.templates[step.tmpl];
    for (const std::string& need : tmpl.needs) {
      if (unread_.count(templates_.at({step.workflow, need}))) {
        return fmt::format("it needs {}, whose instances are not known", need);
      }
    }
    for (const InputTemplate& input : tmpl.inputs) {
      if (input.kind != InputKind::kOutput) continue;
      if (instances.count(producer_of(step, input.step))) continue;
      return fmt::format(
          "it reads an output of {}, which has no instance with the same matrix "
          "values",
          input.step);
    }
    return "";
  }

  // Steps that register one model are refused, all: a value that joins the data must not take over
  // the model of another step.
  void drop_rivals() {
    std::map<std::string, std::vector<std::string>> makers;
    for (const Step& step : graph.steps) {
      if (!step.registers.empty()) makers[step.registers].push_back(step.name);
    }
    std::erase_if(makers, [](const auto& one) { return one.second.size() < 2; });
    for (const auto& [model, names] : makers) {
      leave_out("model " + model,
                fmt::format("{} would both register it, so neither runs: give one of them another "
                            "name under `registers`",
                            fmt::join(names, " and ")));
    }
    std::erase_if(graph.steps, [&](const Step& step) { return makers.count(step.registers) > 0; });
  }

  // Leaves out steps that read what is not there, and those that read them. Gives the rest.
  Instances drop_untied() {
    while (true) {
      Instances instances;
      for (uint32_t i = 0; i < graph.steps.size(); ++i) {
        instances[{graph.steps[i].tmpl, graph.steps[i].matrix}] = StepId{i};
      }
      size_t dropped = std::erase_if(graph.steps, [&](const Step& step) {
        std::string why = untied(step, instances);
        if (!why.empty()) leave_out(step.name, why);
        return !why.empty();
      });
      if (dropped == 0) return instances;
    }
  }

  const AxisReader& axis_;
  const Values& commits_;
  std::map<std::pair<std::string, std::string>, uint32_t> templates_;
  Json inputs_ = Json::object();  // of the workflow that is being added: name → value
  std::string missing_input_;     // of these
  std::set<uint32_t> unread_;     // templates whose instances could not be found
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
