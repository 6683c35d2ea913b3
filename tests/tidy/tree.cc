#include "tests/tidy/tree.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "tests/tidy/house.h"

namespace lockstep::tidy {

namespace fs = std::filesystem;

bool starts_with_any(std::string_view text, const std::vector<std::string>& beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](const std::string& b) { return text.substr(0, b.size()) == b; });
}

bool below(std::string_view path, std::string_view folder) {
  return path.substr(0, folder.size()) == folder &&
         (path.size() == folder.size() || path[folder.size()] == '/');
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

bool is_cpp(std::string_view path) {
  return ends_with(path, ".cc") || ends_with(path, ".h");
}

static bool interpreted_by(std::string_view text, std::string_view name) {
  const std::string_view first = text.substr(0, std::min(text.find('\n'), text.size()));
  return first.substr(0, 2) == "#!" && first.find(name) != std::string_view::npos;
}

bool is_bash(std::string_view path, std::string_view text) {
  return ends_with(path, ".sh") || interpreted_by(text, "bash");
}

bool is_python(std::string_view path, std::string_view text) {
  return ends_with(path, ".py") || interpreted_by(text, "python3");
}

static bool ours(const std::string& top) {
  // build*/ as .gitignore has it: build-asan and the like.
  if (top.rfind("build", 0) == 0) return false;
  return std::find(kNotOurs.begin(), kNotOurs.end(), top) == kNotOurs.end();
}

Tree load_tree(const fs::path& root) {
  Tree tree;
  fs::recursive_directory_iterator it(root), end;
  for (; it != end; ++it) {
    const std::string name = it->path().filename().string();
    if ((it.depth() == 0 && !ours(name)) || name == "__pycache__") {
      it.disable_recursion_pending();
      continue;
    }
    if (!it->is_regular_file()) continue;
    std::ifstream in(it->path(), std::ios::binary);
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (text.find('\0') == std::string::npos) {
      tree[fs::relative(it->path(), root).generic_string()] = std::move(text);
    }
  }
  return tree;
}

std::string show(const Violations& violations) {
  std::string out;
  for (const Violation& v : violations) {
    out += v.path + (v.line > 0 ? ":" + std::to_string(v.line) : "") + ": " + v.text + "\n";
  }
  return out;
}

}  // namespace lockstep::tidy
