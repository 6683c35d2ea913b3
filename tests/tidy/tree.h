// The files of a source tree as text, and what breaks a rule in them.
// Knows nothing of the rules.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::tidy {

using Tree = std::map<std::string, std::string>;  // path from the root → text

// Every regular file below `root` but kNotOurs, caches and files that are not text.
Tree load_tree(const std::filesystem::path& root);

struct Violation {
  std::string path;
  int line = 0;  // 1-based; 0: the file as a whole
  std::string text;
};
using Violations = std::vector<Violation>;

// "path:line: text", one per line; empty when there are none.
std::string show(const Violations& violations);

bool starts_with_any(std::string_view text, const std::vector<std::string>& beginnings);
// In the folder, or the path itself.
bool below(std::string_view path, std::string_view folder);
bool ends_with(std::string_view text, std::string_view end);
std::vector<std::string_view> split_lines(std::string_view text);
bool is_cpp(std::string_view path);
// Bash and Python files, known by their names or their first line.
bool is_bash(std::string_view path, std::string_view text);
bool is_python(std::string_view path, std::string_view text);

}  // namespace lockstep::tidy
