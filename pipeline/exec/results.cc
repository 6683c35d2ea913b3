#include "pipeline/exec/results.h"

#include <fmt/format.h>

#include <cmath>

#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"
#include "pipeline/base/frames.h"

namespace lockstep {
namespace {

AttemptEnd read_end(const std::string& word) {
  if (word == "succeeded") return AttemptEnd::kSucceeded;
  if (word == "failed") return AttemptEnd::kFailed;
  if (word == "cancelled") return AttemptEnd::kCancelled;
  return AttemptEnd::kLost;
}

Json read_environment(const std::string& text) {
  if (text.empty()) return Json::object();
  Json environment = parse_bounded_json(text, "environment.json");
  if (environment.is_object()) return environment;
  throw Error(ErrorCode::kInvalid, "environment.json is not an object");
}

void read_outputs(const Json& outputs, AttemptResult& result) {
  for (const auto& [name, output] : outputs.items()) {
    result.outputs[name] = Digest::parse(output.at("digest").get<std::string>());
    result.folders[name] = output.at("folder").get<bool>();
  }
}

}  // namespace

Json metrics_of(const std::string& text) {
  if (text.empty()) return Json::object();
  Json metrics = parse_bounded_json(text, "metrics.json", 2);
  if (!metrics.is_object()) throw Error(ErrorCode::kInvalid, "metrics.json is not an object");
  for (const auto& [name, value] : metrics.items()) {
    if (!value.is_number() || !std::isfinite(value.get<double>())) {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("metrics.json: `{}` is not a finite number", printable(name)),
                  "write a flat map of names to numbers");
    }
  }
  return metrics;
}

Json order_document(const AttemptSpec& spec) {
  Json inputs = Json::array();
  for (const AttemptInput& input : spec.inputs) {
    inputs.push_back({{"name", input.name},
                      {"file", input.file},
                      {"digest", input.digest.str()},
                      {"folder", input.folder}});
  }
  Json document = {{"id", spec.id},
                   {"step", spec.step},
                   {"with", spec.with},
                   {"env", spec.env},
                   {"secrets", spec.secrets},
                   {"inputs", inputs},
                   {"outputs", spec.outputs},
                   {"checkpoint", spec.checkpoint},
                   {"seed", spec.seed},
                   {"timeout_ms", spec.timeout_ms},
                   {"grace_ms", spec.grace_ms},
                   {"slot", {{"name", spec.slot}, {"cuda", spec.cuda_device}}}};
  if (!spec.uses.empty()) document["uses"] = spec.uses;
  if (!spec.run.empty()) document["shell"] = spec.run;
  if (spec.code) document["code"] = spec.code->str();
  return document;
}

AttemptResult read_result(const Json& json) {
  AttemptResult result;
  try {
    result.id = json.at("id").get<std::string>();
    result.end = read_end(json.at("end").get<std::string>());
    result.error = json.value("error", "");
    result.started_ms = json.value("started_ms", int64_t{0});
    result.finished_ms = json.value("finished_ms", int64_t{0});
    result.peak_memory_bytes = json.value("peak_memory_bytes", uint64_t{0});
    read_outputs(json.at("outputs"), result);
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::kCorrupt,
                std::string("a result of the runner is malformed: ") + e.what());
  }
  try {
    result.metrics = metrics_of(json.value("metrics", ""));
    result.environment = read_environment(json.value("environment", ""));
  } catch (const Error& e) {
    result.end = AttemptEnd::kFailed;
    result.error = e.what();
    result.outputs.clear();
    result.folders.clear();
  }
  return result;
}

std::vector<SlotInfo> machine_slots(const Json& machine, const std::string& pool) {
  std::vector<SlotInfo> slots;
  unsigned cpus = machine.value("cpus", 1u);
  for (unsigned i = 1; i <= cpus; ++i) {
    slots.push_back({fmt::format("local-{}", i), pool, "cpu", 0});
  }
  for (const Json& gpu : machine.value("gpus", Json::array())) {
    std::string index = gpu.value("index", "0");
    slots.push_back({"gpu" + index, pool, index, gpu.value("memory_bytes", uint64_t{0})});
  }
  return slots;
}

}  // namespace lockstep
