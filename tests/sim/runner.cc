#include "tests/sim/runner.h"

namespace lockstep::sim {

std::string Contents::rows(const std::string& commit, const std::string& table,
                           const std::vector<std::string>& columns,
                           const std::map<std::string, std::string>& where) {
  auto error = std::exchange(tables_.error, std::nullopt);
  auto damaged = std::exchange(tables_.damaged, {});
  TableRead request{commit, table, columns, where};
  if (columns.empty()) {
    for (const Column& column : tables_.schema(commit, table).columns) {
      request.columns.push_back(column.name);
    }
  }
  std::string text;
  tables_.read(request, [&](const Row& row) {
    for (const Value& cell : row) text += cell.payload + "|";
    text += "\n";
  });
  tables_.error = std::move(error);
  tables_.damaged = std::move(damaged);
  return text;
}

std::string Contents::files(const std::string& commit, const std::vector<std::string>& paths) {
  auto error = std::exchange(code_.error, std::nullopt);
  std::string text;
  for (const CodePath& path : code_.list(commit, paths)) {
    text += path.path + ":" + code_.blob(path.blob, 1 << 20) + "\n";
  }
  code_.error = std::move(error);
  return text;
}

std::string training_key(const std::string& run, const Json& with,
                         const std::map<std::string, std::string>& inputs) {
  return run + with.dump() + Json(inputs).dump();
}

Digest output_of_training(const std::string& key, const std::string& output, uint32_t odd) {
  return sha256(key + output + (odd == 0 ? "" : std::to_string(odd)));
}

double accuracy_of(const Digest& model) {
  return (static_cast<double>(model.bytes[0] % 100) + 0.5) / 100;  // no whole number
}

void FakeRunner::start(const std::string& id, const Json& context) {
  if (known_.count(id)) return;
  const Json& spec = context.at("spec");
  std::map<std::string, std::string> inputs;
  for (const Json& input : spec.at("inputs")) {
    std::string& text = inputs[input.at("name")];
    if (input.at("kind") == "rows") {
      text = contents_.rows(input.at("commit"), input.at("table"), input.at("columns"),
                            input.at("where"));
    } else if (input.at("kind") == "code") {
      text = contents_.files(input.at("commit"), input.at("paths"));
    } else {
      text = input.at("digest");
    }
  }
  Training training;
  training.key = training_key(spec.at("run"), spec.at("with"), inputs);
  for (const auto& [name, file] : spec.at("outputs").items()) training.outputs.insert(name);
  training.running = true;
  known_[id] = training;
  ever_.emplace(id, std::move(training));
}

std::vector<std::string> FakeRunner::running() const {
  std::vector<std::string> ids;
  for (const auto& [id, one] : known_) {
    if (one.running) ids.push_back(id);
  }
  return ids;
}

std::vector<std::string> FakeRunner::uncollected() const {
  std::vector<std::string> ids;
  for (const auto& [id, one] : known_) {
    if (!one.running) ids.push_back(id);
  }
  return ids;
}

const AttemptResult& FakeRunner::end(const std::string& id, AttemptEnd how, uint32_t odd) {
  Training& one = known_.at(id);
  one.running = false;
  one.result.id = id;
  one.result.end = how;
  if (how == AttemptEnd::kSucceeded) {
    for (const std::string& name : one.outputs) {
      Digest digest = output_of_training(one.key, name, odd);
      one.result.outputs[name] = digest;
      made_[one.key].insert(digest);
      if (name == "model") one.result.metrics["accuracy"] = accuracy_of(digest);
    }
  } else {
    one.result.error = how == AttemptEnd::kCancelled ? "cancelled" : "exited with 1";
  }
  // Started again by a runner that had lost its memory: what was told first is what counts.
  if (ever_.at(id).result.outputs.empty()) ever_[id] = one;
  return one.result;
}

void FakeRunner::lose_all(bool folder_too) {
  for (const std::string& id : running()) end(id, AttemptEnd::kLost, 0);
  if (folder_too) known_.clear();
}

}  // namespace lockstep::sim
