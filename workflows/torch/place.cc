#include "workflows/torch/place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "workflows/torch/model_file.h"

extern char** environ;

namespace lockstep {
namespace {

std::string variable_name(const std::string& input) {
  std::string out = "LOCKSTEP_INPUT_";
  for (char c : input) out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

std::string read_named(const std::string& variable, const std::string& path, uint64_t max_bytes) {
  try {
    return real_files().read(path, max_bytes);
  } catch (const Error& error) {
    throw Error(error.code, fmt::format("{}: {}", variable, error.message), error.hint);
  }
}

// A relative path that stays below the folder it is taken from.
bool stays_inside(const std::filesystem::path& path) {
  if (path.empty() || path.is_absolute()) return false;
  for (const auto& part : path) {
    if (part == ".." || part == "." || part.empty()) return false;
  }
  return true;
}

}  // namespace

Variables process_variables() {
  Variables out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string_view text(*entry);
    size_t equals = text.find('=');
    if (equals != std::string_view::npos)
      out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

AttemptPlace::AttemptPlace(const ActionSpec& action, const Variables& variables)
    : variables_(variables), folder_(variable("LOCKSTEP_OUTPUT")) {
  if (folder_.empty()) {
    throw Error(ErrorCode::kInvalid, "LOCKSTEP_OUTPUT is not set",
                "it names the folder for the outputs");
  }
  outputs_ = {{"model", "model.safetensors"},
              {"metrics", "metrics.json"},
              {"predictions", "predictions.csv"}};
  if (variable("LOCKSTEP_OUTPUTS").empty()) return;
  outputs_.clear();
  Json declared = parse_json(variable("LOCKSTEP_OUTPUTS"), "LOCKSTEP_OUTPUTS");
  if (!declared.is_object()) throw Error(ErrorCode::kInvalid, "LOCKSTEP_OUTPUTS is not a map");
  for (const auto& [name, file] : declared.items()) {
    if (std::find(action.outputs.begin(), action.outputs.end(), name) == action.outputs.end()) {
      throw Error(ErrorCode::kInvalid, fmt::format("{} makes no output {}", action.name, name),
                  fmt::format("it makes {}", fmt::join(action.outputs, " and ")));
    }
    if (!file.is_string() || !stays_inside(file.get<std::string>())) {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("the file of output {} is not a plain name", name),
                  "give a relative path without ..");
    }
    outputs_[name] = file.get<std::string>();
  }
}

std::string AttemptPlace::variable(const std::string& name) const {
  auto found = variables_.find(name);
  return found == variables_.end() ? "" : found->second;
}

Json AttemptPlace::with() const {
  std::string path = variable("LOCKSTEP_WITH");
  if (path.empty()) return Json::object();
  return parse_json(read_named("LOCKSTEP_WITH", path, 1 << 20), "LOCKSTEP_WITH");
}

uint64_t AttemptPlace::default_seed() const {
  std::string text = variable("LOCKSTEP_SEED");
  uint64_t seed = 0;
  if (text.empty()) return seed;
  auto parsed = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    throw Error(ErrorCode::kInvalid, "LOCKSTEP_SEED is not a whole number", "0 to 2^64 - 1");
  }
  return seed;
}

AttemptFile AttemptPlace::input(const std::string& name) const {
  if (auto file = optional_input(name)) return *file;
  throw Error(ErrorCode::kInvalid, fmt::format("the input {} is missing", name),
              fmt::format("{} names its file", variable_name(name)));
}

std::optional<AttemptFile> AttemptPlace::optional_input(const std::string& name) const {
  std::string path = variable(variable_name(name));
  if (path.empty()) return std::nullopt;
  return AttemptFile{path, read_named(variable_name(name), path, kMaxModelBytes)};
}

AttemptFile AttemptPlace::only_holdout() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : variables_) {
    if (name.starts_with("LOCKSTEP_INPUT_") && name.ends_with("_HOLDOUT") && !value.empty()) {
      names.push_back(name);
    }
  }
  if (names.size() != 1) {
    throw Error(ErrorCode::kInvalid,
                names.empty()
                    ? "there are no rows to answer"
                    : fmt::format("it is open which rows are answered: {}", fmt::join(names, ", ")),
                "one LOCKSTEP_INPUT_<NAME>_HOLDOUT names their file");
  }
  const std::string& path = variables_.at(names[0]);
  return {path, read_named(names[0], path, kMaxModelBytes)};
}

std::filesystem::path AttemptPlace::input_path(const std::string& name) const {
  return variable(variable_name(name));
}

void AttemptPlace::write(const std::string& output, std::string_view bytes) const {
  auto declared = outputs_.find(output);
  if (declared != outputs_.end()) real_files().write_atomic(folder_ / declared->second, bytes);
}

void AttemptPlace::write_environment(std::string_view bytes) const {
  real_files().write_atomic(folder_ / "environment.json", bytes);
}

void AttemptPlace::append_metrics(const Json& line) const {
  std::string path = variable("LOCKSTEP_METRICS");
  if (path.empty()) return;
  std::string text = canonical_json(line) + "\n";
  int file = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  bool written =
      file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  int number = errno;
  if (file >= 0) close(file);
  if (written) return;
  throw Error(ErrorCode::kUnavailable,
              fmt::format("cannot append to LOCKSTEP_METRICS {}: {}", path, std::strerror(number)));
}

}  // namespace lockstep
