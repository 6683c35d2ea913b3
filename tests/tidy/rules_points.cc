// The rule about labelled places where a process can be killed: each label is at one place, and the
// list that the torture goes through holds exactly those.
#include <map>
#include <regex>

#include "tests/tidy/rules.h"

namespace lockstep::tidy {

namespace {

constexpr const char* kList = "tests/torture/kills/labels";

struct Spot {
  std::string path;
  int line = 0;
};

bool product(const std::string& path) {
  return is_cpp(path) && !below(path, "tests") && path != "pipeline/base/point.h";
}

std::map<std::string, Spot> labels_in_code(const Tree& tree, Violations& found) {
  static const std::regex kPoint(R"re(\bpoint\("([^"]*)"\))re");
  std::map<std::string, Spot> labels;
  for (const auto& [path, text] : tree) {
    if (!product(path)) continue;
    int number = 0;
    for (std::string_view line : split_lines(text)) {
      ++number;
      std::cregex_iterator it(line.data(), line.data() + line.size(), kPoint), end;
      for (; it != end; ++it) {
        const bool fresh = labels.emplace((*it)[1], Spot{path, number}).second;
        if (!fresh) found.push_back({path, number, "a label that is elsewhere: " + (*it)[1].str()});
      }
    }
  }
  return labels;
}

}  // namespace

Violations check_points(const Tree& tree) {
  Violations found;
  std::map<std::string, Spot> labels = labels_in_code(tree, found);
  const auto list = tree.find(kList);
  const std::string_view lines = list == tree.end() ? std::string_view() : list->second;
  int number = 0;
  for (std::string_view line : split_lines(lines)) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    const std::string label(line.substr(0, line.find(' ')));
    const std::string process(line.substr(std::min(line.size(), label.size() + 1)));
    if (process != "daemon" && process != "runner" && process != "shim") {
      found.push_back({kList, number, "daemon, runner or shim passes it, not '" + process + "'"});
    } else if (labels.erase(label) == 0) {
      found.push_back({kList, number, "no code has the label " + label});
    }
  }
  for (const auto& [label, spot] : labels) {
    found.push_back({spot.path, spot.line, label + " is not in " + kList});
  }
  return found;
}

}  // namespace lockstep::tidy
