// What only shows between steps and files.
#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "workflows/language/conditions.h"
#include "workflows/language/fields.h"
#include "workflows/language/models.h"
#include "workflows/language/parse.h"
#include "workflows/language/template.h"

namespace lockstep {
namespace {

struct StepInFile {  // one step of one workflow
  const Workflow* workflow;
  const StepTemplate* step;
  std::vector<size_t> reads;  // nodes whose results it waits for
};

bool same_axis(const MatrixAxis& a, const MatrixAxis& b) {
  return a.name == b.name && a.values == b.values && a.source == b.source && a.table == b.table &&
         a.column == b.column && a.null_as == b.null_as;
}

class Check {
 public:
  Check(const std::vector<Workflow>& workflows, Diagnostics& diagnostics)
      : workflows_(workflows), diagnostics_(diagnostics) {
    for (const Workflow& workflow : workflows) {
      for (const StepTemplate& step : workflow.steps) {
        steps_[{&workflow, step.name}] = nodes_.size();
        nodes_.push_back({&workflow, &step, {}});
      }
    }
  }

  void run(const WorkspaceSources& sources) {
    workflow_names();
    step_names();
    producers();
    for (size_t i = 0; i < nodes_.size(); ++i) references(i);
    cycles();
    check_followers(workflows_, diagnostics_);
    channels(sources);
  }

 private:
  void say(const std::string& place, std::string message, std::string hint = "") {
    diagnostics_.add(Error(ErrorCode::kInvalid, std::move(message), std::move(hint), place));
  }

  std::string label(size_t node) const {
    return fmt::format("step \"{}\" of workflow \"{}\"", nodes_[node].step->name,
                       nodes_[node].workflow->name);
  }

  void workflow_names() {
    std::map<std::string, const Workflow*> seen;
    for (const Workflow& workflow : workflows_) {
      auto [known, fresh] = seen.try_emplace(workflow.name, &workflow);
      if (fresh) continue;
      diagnostics_.error({workflow.file, 1, 1},
                         fmt::format("a second workflow is called \"{}\"", workflow.name),
                         fmt::format("the first is {}", known->second->file));
    }
  }

  // Commands and plans know a step by its name alone.
  void step_names() {
    std::map<std::string, size_t> seen;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      auto [known, fresh] = seen.try_emplace(nodes_[i].step->name, i);
      if (fresh) continue;
      say(nodes_[i].step->place,
          fmt::format("a second step is called \"{}\"", nodes_[i].step->name),
          fmt::format("the first is {} at {}", label(known->second),
                      nodes_[known->second].step->place));
    }
  }

  void producers() {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const StepTemplate& step = *nodes_[i].step;
      if (!step.registers) continue;
      for (const std::string& name : possible_names(*step.registers, step.matrix)) {
        size_t other = models_.add(i, name);
        if (other == ModelIndex::npos || other == i) continue;
        say(step.place,
            fmt::format("step \"{}\" registers \"{}\", which another step registers too", step.name,
                        name),
            fmt::format("the other is {} at {}", label(other), nodes_[other].step->place));
      }
    }
  }

  void references(size_t node) {
    const StepTemplate& step = *nodes_[node].step;
    for (const std::string& need : step.needs) {
      size_t target = find_step(node, need);
      if (target < nodes_.size()) nodes_[node].reads.push_back(target);
    }
    for (const InputTemplate& input : step.inputs) {
      if (input.kind == InputKind::kOutput) output(node, input);
      if (input.kind == InputKind::kModel) model(node, input);
    }
    renamed(step);
  }

  size_t find_step(size_t node, const std::string& name) const {
    auto found = steps_.find({nodes_[node].workflow, name});
    return found == steps_.end() ? nodes_.size() : found->second;
  }

  void output(size_t node, const InputTemplate& input) {
    size_t target = find_step(node, input.step);
    if (target == nodes_.size()) {
      std::vector<std::string> names;
      for (const StepTemplate& step : nodes_[node].workflow->steps) names.push_back(step.name);
      return say(input.place, fmt::format("there is no step \"{}\" in this workflow", input.step),
                 did_you_mean(input.step, names));
    }
    nodes_[node].reads.push_back(target);
    const StepTemplate& step = *nodes_[target].step;
    if (step.outputs.count(input.output) == 0) {
      std::vector<std::string> names;
      for (const auto& [name, file] : step.outputs) names.push_back(name);
      return say(input.place,
                 fmt::format("step \"{}\" has no output \"{}\"", input.step, input.output),
                 did_you_mean(input.output, names));
    }
    for (const MatrixAxis& axis : step.matrix) {
      const std::vector<MatrixAxis>& own = nodes_[node].step->matrix;
      bool shared = std::any_of(own.begin(), own.end(),
                                [&](const MatrixAxis& a) { return same_axis(a, axis); });
      if (shared) continue;
      say(input.place,
          fmt::format("step \"{}\" runs for every {}, so it is open which of its outputs is read",
                      input.step, axis.name),
          fmt::format("give this step the same matrix variable \"{}\"", axis.name));
    }
  }

  void model(size_t node, const InputTemplate& input) {
    for (const std::string& name : possible_names(input.model, nodes_[node].step->matrix)) {
      std::vector<size_t> steps = models_.producers(name);
      nodes_[node].reads.insert(nodes_[node].reads.end(), steps.begin(), steps.end());
      if (!steps.empty()) continue;
      say(input.place, fmt::format("no step registers the model \"{}\"", shown(name)),
          near_or_known(name));
    }
  }

  std::string near_or_known(const std::string& name) const {
    constexpr size_t kShown = 5;
    std::string hint = did_you_mean(name, models_.patterns());
    if (!hint.empty() || models_.patterns().empty()) return hint;
    for (size_t i = 0; i < models_.patterns().size() && i < kShown; ++i) {
      hint += (i == 0 ? "there is " : ", ") + models_.patterns()[i];
    }
    return hint + (models_.patterns().size() > kShown ? ", …" : "");
  }

  void renamed(const StepTemplate& step) {
    if (!step.renamed_from) return;
    for (const std::string& name : possible_names(*step.renamed_from, step.matrix)) {
      std::vector<std::string> made = models_.patterns();
      if (std::find(made.begin(), made.end(), name) == made.end()) continue;
      say(step.place, fmt::format("step \"{}\" is renamed-from \"{}\", which is still registered",
                                  step.name, shown(name)));
    }
  }

  // Depth first, without recursion: a chain of steps may be long.
  void cycles() {
    enum Colour { kNew, kOpen, kDone };
    std::vector<Colour> colour(nodes_.size(), kNew);
    for (size_t start = 0; start < nodes_.size(); ++start) {
      if (colour[start] != kNew) continue;
      std::vector<std::pair<size_t, size_t>> path = {{start, 0}};  // node, next of its reads
      colour[start] = kOpen;
      while (!path.empty()) {
        auto& [node, next] = path.back();
        if (next == nodes_[node].reads.size()) {
          colour[node] = kDone;
          path.pop_back();
          continue;
        }
        size_t target = nodes_[node].reads[next++];
        if (colour[target] == kOpen) say_cycle(path, target);
        if (colour[target] != kNew) continue;
        colour[target] = kOpen;
        path.emplace_back(target, 0);
      }
    }
  }

  void say_cycle(const std::vector<std::pair<size_t, size_t>>& path, size_t target) {
    std::string text;
    bool across = false;
    auto from = std::find_if(path.begin(), path.end(),
                             [&](const auto& entry) { return entry.first == target; });
    for (auto at = from; at != path.end(); ++at) {
      text += nodes_[at->first].step->name + " → ";
      across = across || nodes_[at->first].workflow != nodes_[target].workflow;
    }
    text += nodes_[target].step->name;
    say(nodes_[target].step->place,
        fmt::format("{} in a circle: {}", across ? "workflows wait" : "steps wait", text),
        "one of them must not read the other's result");
  }

  // One tag is one image: what two channels push under one name stands on the same.
  void same_image(const ChannelSpec& channel) {
    auto [known, fresh] = images_.emplace(channel.image, &channel);
    const ChannelSpec& first = *known->second;
    bool same = first.base == channel.base && first.code == channel.code &&
                (channel.code.empty() || first.source == channel.source);
    if (fresh || same) return;
    say(channel.place,
        fmt::format("channels \"{}\" and \"{}\" make the image \"{}\" of other bases or code",
                    shown(first.name), shown(channel.name), shown(channel.image)),
        "give one of them another image name, or both the same base and code");
  }

  void channels(const WorkspaceSources& sources) {
    std::vector<std::string> names;
    std::map<std::string, std::string> places;
    for (const Workflow& workflow : workflows_) {
      for (const ChannelSpec& channel : workflow.channels) {
        auto [other, fresh] = places.emplace(channel.name, channel.place);
        if (!fresh) {
          say(channel.place, fmt::format("a second channel \"{}\"", shown(channel.name)),
              fmt::format("the first is at {}", other->second));
          continue;
        }
        names.push_back(channel.name);
        unmatched(channel);
        same_image(channel);
      }
    }
    if (names.size() > 1 && sources.channel.empty()) {
      say(places.at(names[1]), "of several channels, lockstep.yaml names none as the default",
          fmt::format("`channel: {}` there is what commands mean that name none", names[0]));
    }
    if (sources.channel.empty() || names.empty()) return;
    if (places.count(sources.channel)) return;
    say(sources.channel_place,
        fmt::format("no workflow has a channel \"{}\"", shown(sources.channel)),
        did_you_mean(sources.channel, names));
  }

  void unmatched(const ChannelSpec& channel) {
    for (const std::string& pattern : channel.models) {
      if (!models_.producers(pattern).empty()) continue;
      diagnostics_.warn(parse_place(channel.place),
                        fmt::format("no step registers a model that \"{}\" of channel \"{}\" "
                                    "matches",
                                    shown(pattern), channel.name),
                        did_you_mean(pattern, models_.patterns()));
    }
  }

  const std::vector<Workflow>& workflows_;
  Diagnostics& diagnostics_;
  std::map<std::string, const ChannelSpec*> images_;  // by name: the first channel that makes it
  std::vector<StepInFile> nodes_;
  std::map<std::pair<const Workflow*, std::string>, size_t> steps_;
  ModelIndex models_;
};

}  // namespace

void check_workflows(const std::vector<Workflow>& workflows, const WorkspaceSources& sources,
                     Diagnostics& diagnostics) {
  Check(workflows, diagnostics).run(sources);
}

}  // namespace lockstep
