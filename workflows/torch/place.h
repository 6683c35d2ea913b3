// Where an attempt finds its inputs and leaves its outputs, as its variables say.
// Knows nothing of models or training.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "workflows/torch/attempt.h"
#include "workflows/torch/settings.h"

namespace lockstep {

struct AttemptFile {
  std::string name;  // the path as given, for messages
  std::string bytes;
};

class AttemptPlace {
 public:
  // Throws invalid where LOCKSTEP_OUTPUT is missing or LOCKSTEP_OUTPUTS names what the action does
  // not make or a path outside the output folder.
  AttemptPlace(const ActionSpec& action, const Variables& variables);

  Json with() const;
  uint64_t default_seed() const;
  bool wants_card() const { return !variable("CUDA_VISIBLE_DEVICES").empty(); }

  // The file of LOCKSTEP_INPUT_<NAME>; throws invalid when the variable or the file is missing.
  AttemptFile input(const std::string& name) const;
  std::optional<AttemptFile> optional_input(const std::string& name) const;
  // The file of the one LOCKSTEP_INPUT_*_HOLDOUT; throws invalid where there is none or more.
  AttemptFile only_holdout() const;
  // Where LOCKSTEP_INPUT_<NAME> says it is, a file or a folder; empty without the variable.
  std::filesystem::path input_path(const std::string& name) const;

  // Nothing where the step does not declare this output.
  void write(const std::string& output, std::string_view bytes) const;
  void write_environment(std::string_view bytes) const;
  // One line for LOCKSTEP_METRICS, written at once; nothing where it is not set.
  void append_metrics(const Json& line) const;

 private:
  std::string variable(const std::string& name) const;

  Variables variables_;
  std::filesystem::path folder_;
  std::map<std::string, std::string> outputs_;  // name → file name
};

}  // namespace lockstep
