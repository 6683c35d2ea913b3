// The rules about source text: includes, absences, lengths, headers.
#include <algorithm>
#include <regex>

#include "tests/tidy/functions.h"
#include "tests/tidy/house.h"
#include "tests/tidy/rules.h"

namespace lockstep::tidy {

namespace {

const Room* room_of(std::string_view path) {
  const Room* best = nullptr;
  for (const Room& room : kRooms) {
    if (below(path, room.folder) && (!best || room.folder.size() > best->folder.size())) {
      best = &room;
    }
  }
  return best;
}

bool has(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

struct Include {
  int line = 0;
  bool quoted = false;
  std::string header;
};

std::vector<Include> includes_of(std::string_view text) {
  static const std::regex kInclude(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  std::vector<Include> found;
  int number = 0;
  for (std::string_view line : split_lines(text)) {
    ++number;
    std::cmatch m;
    if (std::regex_search(line.data(), line.data() + line.size(), m, kInclude)) {
      found.push_back({number, m[1] == "\"", m[2]});
    }
  }
  return found;
}

bool may_include(const Room& from, const std::string& header) {
  if (below(header, from.folder) || has(from.includes, "*") || has(from.includes, header)) {
    return true;
  }
  const Room* to = room_of(header);
  return to && has(from.includes, to->folder);
}

std::string own_header_problem(const Tree& tree, const Room* from, const std::string& header) {
  if (tree.count(header) == 0) return "no such header below the root: \"" + header + "\"";
  if (!from) return "";  // tests may include everything
  if (may_include(*from, header)) return "";
  return from->folder + " may not include " + header + " (tests/tidy/house.h)";
}

bool system_header(const std::string& header) {
  return header.find('.') == std::string::npos || starts_with_any(header, kSystemHeaders);
}

std::string library_problem(const Room* from, const std::string& header) {
  for (const Library& library : kLibraries) {
    if (!starts_with_any(header, library.headers)) continue;
    if (!from || has(from->libraries, library.name) || has(from->includes, "*")) return "";
    if (has(kBroughtByBase, library.name) && has(from->includes, "pipeline/base")) return "";
    return from->folder + " may not use " + library.name + " (tests/tidy/house.h)";
  }
  return system_header(header) ? "" : "unknown library <" + header + ">: tests/tidy/house.h";
}

std::vector<FunctionSpan> functions_of(const std::string& path, const std::string& text) {
  if (is_cpp(path)) return cpp_functions(text);
  if (is_bash(path, text)) return bash_functions(text);
  if (is_python(path, text)) return python_functions(text);
  return {};
}

}  // namespace

Violations check_includes(const Tree& tree) {
  Violations found;
  for (const auto& [path, text] : tree) {
    if (!is_cpp(path)) continue;
    const Room* from = room_of(path);
    for (const Include& include : includes_of(text)) {
      const std::string problem = include.quoted ? own_header_problem(tree, from, include.header)
                                                 : library_problem(from, include.header);
      if (!problem.empty()) found.push_back({path, include.line, problem});
    }
  }
  return found;
}

Violations check_absences(const Tree& tree) {
  Violations found;
  for (const auto& [path, text] : tree) {
    if (!is_cpp(path) || below(path, "tests")) continue;
    int number = 0;
    for (std::string_view line : split_lines(text)) {
      ++number;
      const std::string_view code = line.substr(0, line.find("//"));
      for (const Absence& absence : kAbsences) {
        if ((absence.folder.empty() || below(path, absence.folder)) &&
            code.find(absence.word) != std::string_view::npos) {
          found.push_back({path, number, "'" + absence.word + "': " + absence.why});
        }
      }
    }
  }
  return found;
}

Violations check_functions(const Tree& tree) {
  Violations found;
  for (const auto& [path, text] : tree) {
    for (const FunctionSpan& f : functions_of(path, text)) {
      if (f.lines <= kMaxFunctionLines) continue;
      found.push_back({path, f.first_line,
                       "function of " + std::to_string(f.lines) + " lines (at most " +
                           std::to_string(kMaxFunctionLines) + "): " + f.head});
    }
  }
  return found;
}

Violations check_headers(const Tree& tree) {
  Violations found;
  for (const auto& [path, text] : tree) {
    if (!ends_with(path, ".h")) continue;
    if (text.rfind("// ", 0) != 0) {
      found.push_back({path, 1, "open with a sentence on what it is and what it knows nothing of"});
    }
    if (text.find("\n#pragma once\n") == std::string::npos) {
      found.push_back({path, 1, "no #pragma once"});
    }
  }
  return found;
}

}  // namespace lockstep::tidy
