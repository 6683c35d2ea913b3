#include "workflows/language/parse.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "pipeline/core/names.h"
#include "workflows/language/conditions.h"
#include "workflows/language/experiments.h"
#include "workflows/language/readers.h"
#include "workflows/language/step.h"
#include "workflows/language/workspace_parts.h"

namespace lockstep {
namespace {

struct Reading {
  const WorkspaceSources& sources;
  Diagnostics& diagnostics;
  Workflow& workflow;
};

void read_trigger(const Reading& reading, const std::string& word, const Place& place) {
  if (word == "data") reading.workflow.on_data = true;
  if (word == "code") reading.workflow.on_code = true;
  if (word == "data" || word == "code" || word == "manual") return;
  if (word == "ci") {
    return reading.diagnostics.error(place, "\"ci\" names the checks that must be green",
                                     "on: {data: {}, ci: [build]}");
  }
  if (word == "tag") {
    return reading.diagnostics.error(place, "\"tag\" names the tags, or patterns of them",
                                     "on: {tag: [\"exp/*\"]}");
  }
  if (word == "schedule") {
    return reading.diagnostics.error(place, "\"schedule\" says when",
                                     "on: {schedule: [{cron: \"0 3 * * *\", timezone: UTC}]}");
  }
  if (word == "workflow") {
    return reading.diagnostics.error(place, "\"workflow\" says after which one it starts",
                                     "on: {workflow: [build]}");
  }
  reading.diagnostics.error(
      place, fmt::format("unknown trigger \"{}\"", shown(word)),
      did_you_mean(word, {"data", "code", "ci", "tag", "schedule", "workflow", "manual"}));
}

// on: {data: {branches: ["feature/*"]}}
void read_branches(const Reading& reading, Fields& fields) {
  const YamlNode* node = fields.take("branches");
  if (node == nullptr) return;
  Diagnostics& diagnostics = reading.diagnostics;
  if (!node->is_list() || node->items().empty()) {
    return expected(*node, fields.of("branches"), "a list of branch names or patterns",
                    diagnostics);
  }
  for (const YamlNode& item : node->items()) {
    auto pattern = read_text(item, "an entry of \"branches\"", diagnostics);
    if (!pattern) continue;
    if (pattern->find_first_of("?[]!+") != std::string::npos) {
      diagnostics.error(item.place(), fmt::format("\"{}\" is no branch pattern", shown(*pattern)),
                        "only * stands for other characters (\"/\" among them)");
    }
    reading.workflow.branches.push_back(std::move(*pattern));
  }
}

// on: {data: {}, ci: [build, test]}
void read_ci(const Reading& reading, const YamlEntry& entry) {
  if (!entry.value.is_list()) {
    return expected(entry.value, "\"ci\"", "a list of checks", reading.diagnostics);
  }
  reading.workflow.ci = read_texts(entry.value, "\"ci\"", reading.diagnostics);
}

// on: data | on: [data, code] | on: {data: {}, code: {}}
void read_on(const Reading& reading, const YamlNode& node) {
  Diagnostics& diagnostics = reading.diagnostics;
  reading.workflow.on_data = reading.workflow.on_code = false;
  if (node.is_scalar()) return read_trigger(reading, node.text(), node.place());
  if (node.items().empty() && node.entries().empty()) {
    diagnostics.error(node.place(), "\"on\" names no trigger", "write manual: {} for none");
  }
  for (const YamlNode& item : node.items()) {
    if (auto word = read_text(item, "an entry of \"on\"", diagnostics)) {
      read_trigger(reading, *word, item.place());
    }
  }
  for (const YamlEntry& entry : node.entries()) {
    if (entry.key == "ci") {
      read_ci(reading, entry);
      continue;
    }
    if (entry.key == "schedule") {
      reading.workflow.schedules = read_schedules(entry.value, "\"schedule\"", diagnostics);
      continue;
    }
    if (entry.key == "workflow") {
      reading.workflow.after = read_after(entry.value, diagnostics);
      reading.workflow.place = entry.key_place.str();
      continue;
    }
    if (entry.key == "tag") {
      read_tags(entry.value, reading.workflow, diagnostics);
      continue;
    }
    read_trigger(reading, entry.key, entry.key_place);
    if (entry.value.is_null()) continue;
    Fields fields(entry.value, fmt::format("trigger \"{}\"", shown(entry.key)), diagnostics);
    if (entry.key == "data") {
      read_branches(reading, fields);
      reading.workflow.quiet_data_ms = read_debounce(fields, diagnostics);
    }
    if (entry.key == "code") reading.workflow.quiet_code_ms = read_debounce(fields, diagnostics);
    if (entry.key == "manual") read_inputs_of_start(fields, reading.workflow, diagnostics);
    fields.finish();
  }
  if (reading.workflow.on_code && !reading.workflow.ci.empty()) {
    diagnostics.error(node.place(), "\"code\" and \"ci\" exclude each other",
                      "ci: code commits start it once their checks are green");
  }
  reading.workflow.on_code = reading.workflow.on_code || !reading.workflow.ci.empty();
  check_inputs_of_start(reading.workflow, diagnostics);
}

void check_references(const Reading& reading, const YamlNode& steps) {
  std::vector<std::string> names;
  for (const StepTemplate& step : reading.workflow.steps) names.push_back(step.name);
  for (const YamlEntry& entry : steps.entries()) {
    const YamlNode* needs = entry.value.find("needs");
    if (needs == nullptr) continue;
    std::vector<YamlNode> all = needs->is_list() ? needs->items() : std::vector<YamlNode>{*needs};
    for (const YamlNode& need : all) {
      bool known = false;
      for (const std::string& name : names) known = known || name == need.text();
      if (known || !as_text(need)) continue;
      reading.diagnostics.error(need.place(),
                                fmt::format("step \"{}\" needs \"{}\", which is no step",
                                            shown(entry.key), shown(need.text())),
                                did_you_mean(need.text(), names));
    }
  }
}

void read_steps(const Reading& reading, Fields& fields) {
  std::map<std::string, TemplateText> env;
  if (const YamlNode* node = fields.take("env")) {
    env = read_env(*node, fields.of("env"), {}, reading.workflow.inputs, reading.sources,
                   reading.diagnostics);
  }
  const YamlNode* steps = fields.need("steps", "a map of step names to steps");
  if (steps == nullptr) return;
  if (!steps->is_map() || steps->entries().empty()) {
    return expected(*steps, "\"steps\"", "a map of steps", reading.diagnostics);
  }
  for (const YamlEntry& entry : steps->entries()) {
    reading.workflow.steps.push_back(read_step(entry.key, entry.key_place, entry.value,
                                               reading.sources, env, reading.workflow.inputs,
                                               reading.diagnostics));
  }
  check_references(reading, *steps);
}

void check_models_patterns(const YamlNode& models, const Fields& fields, Diagnostics& diagnostics) {
  for (const YamlNode& item : models.items()) {
    std::string text = item.text();
    for (char& c : text) c = c == '*' ? 'x' : c == '~' ? 'x' : c;
    if (!text.empty()) check_name(text, item.place(), fields.of("models"), diagnostics);
  }
}

bool tag_or_digest(std::string_view text) {
  const bool digest = text[0] == '@';
  constexpr std::string_view kHex = "0123456789abcdef", kAlgorithm = "@sha256:";
  if (digest) {
    return text.size() == 72 && text.substr(0, 8) == kAlgorithm &&
           text.find_first_not_of(kHex, 8) == text.npos;
  }
  text.remove_prefix(1);
  return !text.empty() && text.size() <= 128 && text[0] != '.' && text[0] != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-';
         });
}

// HOST[:PORT]/REPOSITORY, then nothing, :TAG or @DIGEST.
void read_base(const YamlNode& node, const std::string& what, ChannelSpec& channel,
               Diagnostics& diagnostics) {
  auto text = read_text(node, what, diagnostics);
  if (!text) return;
  const std::string_view all(*text);
  size_t end = all.find('@');
  const size_t slash = all.rfind('/');
  if (end == all.npos && slash != all.npos) end = all.find(':', slash);
  end = std::min(end, all.size());
  bool good = valid_registry_place(all.substr(0, end)) &&
              (end == all.size() || tag_or_digest(all.substr(end)));
  if (good) {
    channel.base = *text;
    return;
  }
  diagnostics.error(node.place(),
                    fmt::format("{}: \"{}\" is no place of an image", what, shown(*text)),
                    "HOST[:PORT]/REPOSITORY:TAG or …@sha256:…, such as "
                    "docker.io/library/python:3.12-slim");
}

void read_image(Fields& channel_fields, ChannelSpec& channel, Diagnostics& diagnostics) {
  const YamlNode* node = channel_fields.need("image", "{name: …}, the image's name");
  if (node == nullptr) return;
  Fields fields(*node, channel_fields.of("image"), diagnostics);
  fields.not_yet({"compression"});
  if (const YamlNode* name = fields.need("name", "the image's name")) {
    channel.image = read_image_name(*name, fields.of("name"), diagnostics).value_or("");
  }
  if (const YamlNode* base = fields.take("base")) {
    read_base(*base, fields.of("base"), channel, diagnostics);
  }
  if (const YamlNode* code = fields.take("code")) {
    channel.code = read_texts(*code, fields.of("code"), diagnostics);
    for (const std::string& glob : channel.code) {
      check_path(glob, code->place(), fields.of("code"), diagnostics);
    }
  }
  fields.finish();
}

bool read_word(Fields& fields, const char* key, const std::vector<std::string>& words,
               const std::string& wanted, Diagnostics& diagnostics) {
  const YamlNode* node = fields.take(key);
  return node != nullptr && read_choice(*node, fields.of(key), words, diagnostics) == wanted;
}

// A number of models, or a share of those that the channel names.
void read_quorum(Fields& fields, ChannelSpec& channel, Diagnostics& diagnostics) {
  const YamlNode* node = fields.take("quorum");
  bool wanted = channel.policy == CutPolicy::kQuorum;
  if (node == nullptr) {
    if (wanted) fields.need("quorum", "how many models: 8, or \"80%\"");
    return;
  }
  if (!wanted) {
    return diagnostics.error(node->place(), fields.of("quorum") + " needs \"policy: quorum\"");
  }
  std::string text = node->text();
  channel.quorum_percent = !text.empty() && text.back() == '%';
  if (channel.quorum_percent) text.pop_back();
  bool digits = !text.empty() && text.size() <= 6 &&
                text.find_first_not_of("0123456789") == std::string::npos;
  int64_t number = digits ? std::stoll(text) : 0;
  if (number < 1 || (channel.quorum_percent && number > 100)) {
    return expected(*node, fields.of("quorum"), "a number of models, or 1% to 100%", diagnostics);
  }
  channel.quorum = static_cast<uint32_t>(number);
}

void read_policy(Fields& fields, ChannelSpec& channel, Diagnostics& diagnostics) {
  if (const YamlNode* node = fields.take("policy")) {
    auto word =
        read_choice(*node, fields.of("policy"), {"passed-only", "all", "quorum"}, diagnostics);
    if (word == "all") channel.policy = CutPolicy::kAll;
    if (word == "quorum") channel.policy = CutPolicy::kQuorum;
  }
  read_quorum(fields, channel, diagnostics);
}

ChannelSpec read_channel(const YamlEntry& entry, Diagnostics& diagnostics) {
  ChannelSpec channel;
  channel.name = entry.key;
  channel.place = entry.key_place.str();
  Fields fields(entry.value, fmt::format("channel \"{}\"", shown(entry.key)), diagnostics);
  if (check_name(entry.key, entry.key_place, "releases", diagnostics) &&
      !valid_channel_name(entry.key)) {
    diagnostics.error(entry.key_place, fmt::format("\"{}\" looks like a release's tag", entry.key),
                      "name the channel otherwise");
  }
  if (!fields.is_map()) return channel;
  if (const YamlNode* models = fields.need("models", "patterns like [\"intent-*\"]")) {
    channel.models = read_texts(*models, fields.of("models"), diagnostics);
    check_models_patterns(*models, fields, diagnostics);
  }
  read_image(fields, channel, diagnostics);
  channel.promote_by_hand = read_word(fields, "promote", {"auto", "manual"}, "manual", diagnostics);
  read_policy(fields, channel, diagnostics);
  if (const YamlNode* wait = fields.take("max-wait")) {
    channel.max_wait_ms = read_duration(*wait, fields.of("max-wait"), diagnostics).value_or(0);
  }
  if (const YamlNode* node = fields.take("single-upstream")) {
    channel.single_upstream =
        read_bool(*node, fields.of("single-upstream"), diagnostics).value_or(false);
  }
  fields.not_yet({"approval"});
  fields.instead("max-new", "policies: {max-new: …} in lockstep.yaml");
  fields.finish();
  return channel;
}

void read_releases(const Reading& reading, Fields& fields) {
  const YamlNode* node = fields.take("releases");
  if (node == nullptr) return;
  Fields releases(*node, "\"releases\"", reading.diagnostics);
  if (node->is_map() && node->entries().empty()) {
    expected(*node, "\"releases\"", "a map of channels", reading.diagnostics);
  }
  for (const YamlEntry& entry : node->entries()) {
    reading.workflow.channels.push_back(read_channel(entry, reading.diagnostics));
  }
}

std::string stem_of(std::string_view file) {
  return std::filesystem::path(file).stem().string();
}

void read_name_of(const Reading& reading, Fields& fields) {
  reading.workflow.name = stem_of(reading.workflow.file);
  if (const YamlNode* name = fields.take("name")) {
    reading.workflow.name = read_name(*name, "\"name\"", reading.diagnostics).value_or("");
  } else if (!fields.has("name")) {
    check_name(reading.workflow.name, fields.place(), "the file's name, which names the workflow",
               reading.diagnostics);
  }
}

void read_workflow(const Reading& reading, const YamlNode& root) {
  Fields fields(root, "the workflow", reading.diagnostics);
  if (!fields.is_map()) return;
  fields.not_yet({"evaluate"});
  fields.instead("inputs", "on: {manual: {inputs: …}}");
  fields.instead("debounce", "on: {data: {debounce-seconds: 60}}");
  fields.instead("if", "`if` belongs to a step");
  fields.instead("jobs", "write \"steps\", without a list inside");
  read_name_of(reading, fields);
  if (const YamlNode* on = fields.take("on")) read_on(reading, *on);
  read_steps(reading, fields);
  if (auto group = read_concurrency(fields, {}, reading.diagnostics)) {
    for (StepTemplate& step : reading.workflow.steps) step.concurrency.push_back(*group);
  }
  read_releases(reading, fields);
  fields.finish();
}

}  // namespace

std::optional<Workflow> parse_workflow(std::string_view text, std::string_view file,
                                       const WorkspaceSources& sources, Diagnostics& diagnostics) {
  Workflow workflow;
  workflow.file = file;
  Diagnostics own;
  try {
    read_workflow({sources, own, workflow}, load_yaml(text, file));
  } catch (const Error& error) {
    own.add(error);
  }
  diagnostics.merge(own);
  if (!own.ok()) return std::nullopt;
  return workflow;
}

}  // namespace lockstep
