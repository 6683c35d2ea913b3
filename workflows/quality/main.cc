// lockstep-quality: looks at the rows of a step before anything learns from them.
// Knows nothing of plans, gates or models.
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "pipeline/base/error.h"
#include "workflows/quality/action.h"

extern char** environ;

namespace lockstep {
namespace {

constexpr const char* kUsage =
    "lockstep-quality run data/quality    one attempt, told by LOCKSTEP_* (docs/TRAINING.md)\n"
    "lockstep-quality actions --json      what it takes\n";

std::map<std::string, std::string> process_variables() {
  std::map<std::string, std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string text = *entry;
    size_t equals = text.find('=');
    if (equals != std::string::npos) out[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return out;
}

int dispatch(const std::vector<std::string>& arguments) {
  if (arguments == std::vector<std::string>{"run", "data/quality"}) {
    run_quality(process_variables(), std::cerr);
    return 0;
  }
  if (arguments == std::vector<std::string>{"actions", "--json"}) {
    std::cout << canonical_json(describe_quality()) << '\n';
    return 0;
  }
  bool asked = arguments == std::vector<std::string>{"--help"};
  (asked ? std::cout : std::cerr) << kUsage;
  return asked ? 0 : 2;
}

}  // namespace
}  // namespace lockstep

int main(int count, char** arguments) {
  try {
    return lockstep::dispatch({arguments + 1, arguments + count});
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << std::endl;
    return 1;
  }
}
