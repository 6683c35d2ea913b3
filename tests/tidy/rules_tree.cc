// The rules about the tree as a whole: places, sizes, orphans, documents, words.
#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>

#include "tests/tidy/house.h"
#include "tests/tidy/rules.h"

namespace lockstep::tidy {

namespace {

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::string name_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// `name` in `text`, and not as a part of a longer file name.
bool names(const std::string& text, const std::string& name) {
  const auto part = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
    if (at == 0 || !part(text[at - 1])) return true;
  }
  return false;
}

// Is the file named in the CMakeLists.txt of its folder or of one above it?
bool named_in_cmake(const Tree& tree, const std::string& path) {
  std::string folder = path;
  do {
    folder = folder_of(folder);
    const auto found = tree.find(folder.empty() ? "CMakeLists.txt" : folder + "/CMakeLists.txt");
    if (found != tree.end() && names(found->second, name_of(path))) return true;
  } while (!folder.empty());
  return false;
}

// tests/<room>/…_test.cc is picked up by the room's own CMakeLists.txt.
bool mirrors_room(const Tree& tree, const std::string& path) {
  if (!below(path, "tests") || !ends_with(path, "_test.cc")) return false;
  const std::string room = folder_of(path).substr(std::string("tests").size());
  return !room.empty() && tree.count(room.substr(1) + "/CMakeLists.txt") > 0;
}

void check_room_places(const Tree& tree, Violations& found) {
  for (const auto& [path, text] : tree) {
    if (name_of(path) != "CMakeLists.txt" || text.find("lockstep_room(") == std::string::npos) {
      continue;
    }
    const std::string folder = folder_of(path);
    const bool known = folder.empty() || std::any_of(kRooms.begin(), kRooms.end(),
                                                     [&](auto& r) { return r.folder == folder; });
    if (!known) found.push_back({path, 1, "a room without a place in tests/tidy/house.h"});
  }
}

int columns(std::string_view line) {
  return static_cast<int>(
      std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool limited_width(const std::string& path, const std::string& text) {
  return is_cpp(path) || is_bash(path, text) || is_python(path, text) ||
         ends_with(path, "CMakeLists.txt");
}

void check_lines(const std::string& path, const std::string& text, Violations& found) {
  const bool width = limited_width(path, text);
  const bool tabs = ends_with(path, "go.mod");  // Go's own tool writes them
  int number = 0;
  for (std::string_view line : split_lines(text)) {
    ++number;
    if (!tabs && line.find('\t') != line.npos) found.push_back({path, number, "a tab"});
    if (ends_with(line, "\r")) found.push_back({path, number, "a carriage return"});
    if (ends_with(line, " ")) found.push_back({path, number, "space at the end of the line"});
    if (width && columns(line) > kMaxColumns && line.find("://") == std::string_view::npos) {
      found.push_back({path, number,
                       std::to_string(columns(line)) + " columns (at most " +
                           std::to_string(kMaxColumns) + ")"});
    }
  }
  if (limited_width(path, text) && number > kMaxFileLines) {
    found.push_back(
        {path, 0,
         std::to_string(number) + " lines (at most " + std::to_string(kMaxFileLines) + ")"});
  }
}

struct Link {
  int line = 0;
  std::string target;  // path from the root, or empty when it leads out of the tree
};

std::vector<Link> links_of(const std::string& path, const std::string& text) {
  static const std::regex kLink(R"(\]\(([^)#\s]+)(#[^)\s]*)?\))");
  std::vector<Link> found;
  int number = 0;
  for (std::string_view line : split_lines(text)) {
    ++number;
    std::cregex_iterator it(line.data(), line.data() + line.size(), kLink), end;
    for (; it != end; ++it) {
      const std::string target = (*it)[1];
      if (target.find("://") != std::string::npos) continue;
      const auto full = std::filesystem::path(folder_of(path)) / target;
      found.push_back({number, full.lexically_normal().generic_string()});
    }
  }
  return found;
}

bool exists_in(const Tree& tree, std::string target) {
  if (ends_with(target, "/")) target.pop_back();
  const auto at = tree.lower_bound(target);
  return target == "." || (at != tree.end() && at->first == target) ||
         std::any_of(at, tree.end(), [&](auto& file) { return below(file.first, target); });
}

std::set<std::string> pages_reached(const Tree& tree) {
  std::set<std::string> seen;
  std::vector<std::string> todo = {"README.md"};
  while (!todo.empty()) {
    const std::string page = todo.back();
    todo.pop_back();
    if (tree.count(page) == 0 || !seen.insert(page).second) continue;
    for (const Link& link : links_of(page, tree.at(page))) todo.push_back(link.target);
  }
  return seen;
}

void check_words(const std::string& path, const std::string& text, Violations& found) {
  static const std::regex kType(R"(\b(class|struct|enum|using)\s+(class\s+)?(\w+))");
  int number = 0;
  for (std::string_view line : split_lines(text)) {
    ++number;
    for (const std::string& place : kMachinePaths) {
      const size_t at = line.find(place);
      // "…/work/" inside a longer path is anybody's; at its beginning it is one machine's.
      const std::string before =
          at == std::string_view::npos || at == 0 ? " " : std::string(1, line[at - 1]);
      if (at != std::string_view::npos &&
          std::string(" \"'`=(:,<>").find(before) != std::string::npos) {
        found.push_back({path, number, "the path of one machine: " + place});
      }
    }
    for (const std::string& word : kOpenEnds) {
      if (std::regex_search(std::string(line), std::regex("\\b" + word + "\\b"))) {
        found.push_back({path, number, "an open end: " + word});
      }
    }
    std::cmatch m;
    if (is_cpp(path) && std::regex_search(line.data(), line.data() + line.size(), m, kType) &&
        std::count(kRefusedTypeNames.begin(), kRefusedTypeNames.end(), m[3]) > 0) {
      found.push_back(
          {path, number, "a type name of other systems (docs/GLOSSARY.md): " + m[3].str()});
    }
  }
}

}  // namespace

Violations check_top_level(const Tree& tree) {
  std::set<std::string> seen;
  for (const auto& [path, text] : tree) seen.insert(path.substr(0, path.find('/')));
  Violations found;
  for (const std::string& top : seen) {
    if (std::count(kTopLevel.begin(), kTopLevel.end(), top) == 0) {
      found.push_back({top, 0, "has no place at the top level"});
    }
  }
  return found;
}

Violations check_files(const Tree& tree) {
  Violations found;
  for (const auto& [path, text] : tree) {
    if (below(path, "tests") && path.find(kWrongOnPurpose) != std::string::npos) continue;
    check_lines(path, text, found);
    if (!text.empty() && text.back() != '\n') found.push_back({path, 0, "no newline at the end"});
  }
  return found;
}

Violations check_built(const Tree& tree) {
  Violations found;
  check_room_places(tree, found);
  for (const auto& [path, text] : tree) {
    if (ends_with(path, ".cc") && !mirrors_room(tree, path) && !named_in_cmake(tree, path)) {
      found.push_back({path, 0, "no CMakeLists.txt builds it"});
    }
  }
  return found;
}

Violations check_documents(const Tree& tree) {
  Violations found;
  const std::set<std::string> reached = pages_reached(tree);
  for (const auto& [path, text] : tree) {
    if (!ends_with(path, ".md")) continue;
    if (below(path, "docs") && reached.count(path) == 0) {
      found.push_back({path, 0, "no link leads here from README.md"});
    }
    for (const Link& link : links_of(path, text)) {
      if (!exists_in(tree, link.target)) {
        found.push_back({path, link.line, "link to nothing: " + link.target});
      }
    }
  }
  return found;
}

Violations check_own_words(const Tree& tree) {
  Violations found;
  for (const auto& [path, text] : tree) {
    if (path != "LICENSE") check_words(path, text, found);
  }
  return found;
}

}  // namespace lockstep::tidy
