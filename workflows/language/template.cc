#include "workflows/language/template.h"

#include <fmt/core.h>

#include <algorithm>

#include "workflows/language/fields.h"
#include "workflows/language/readers.h"

namespace lockstep {
namespace {

constexpr std::string_view kPlain =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-";

struct Site {  // of the text that is being checked
  const Place& place;
  const std::string& what;
  const TemplateScope& scope;
  Diagnostics& diagnostics;
};

std::string trimmed(std::string_view text) {
  size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
}

void unknown_name(const Site& site, const std::string& reference, std::string_view kind,
                  const std::vector<std::string>& names) {
  std::string known;
  for (const std::string& name : names) known += (known.empty() ? "" : ", ") + name;
  std::string name = reference.substr(reference.find('.') + 1);
  std::string hint = did_you_mean(name, names);
  if (hint.empty())
    hint = known.empty() ? fmt::format("there is no {} here", kind) : "there is " + known;
  site.diagnostics.error(
      site.place, fmt::format("{}: \"{}\" is an unknown {}", site.what, shown(reference), kind),
      hint);
}

void check_against(const Site& site, const std::string& reference, std::string_view kind,
                   const std::optional<std::vector<std::string>>& names) {
  if (!names) {
    site.diagnostics.error(site.place,
                           fmt::format("{} cannot read \"{}\"", site.what, shown(reference)),
                           kind == "source" ? "a name or slice must not change with every commit"
                                            : "variables cannot be built from variables");
    return;
  }
  std::string name = reference.substr(reference.find('.') + 1);
  if (std::find(names->begin(), names->end(), name) == names->end()) {
    unknown_name(site, reference, kind, *names);
  }
}

void check_reference(const Site& site, const std::string& reference) {
  size_t dot = reference.find('.');
  if (dot == std::string::npos || dot + 1 == reference.size() ||
      reference.find_first_not_of(kPlain) != std::string::npos) {
    site.diagnostics.error(
        site.place, fmt::format("{}: \"{}\" is not a reference", site.what, shown(reference)),
        "write matrix.NAME, env.NAME, inputs.NAME or commit.SOURCE; there are no functions and no "
        "operators");
    return;
  }
  std::string root = reference.substr(0, dot);
  if (root == "matrix") return check_against(site, reference, "matrix variable", site.scope.matrix);
  if (root == "env") return check_against(site, reference, "variable", site.scope.env);
  if (root == "inputs") return check_against(site, reference, "input", site.scope.inputs);
  if (root == "commit") return check_against(site, reference, "source", site.scope.commit);
  if (root == "steps") {
    return not_supported_yet(site.place, reference, site.diagnostics,
                             "take the output as an input: {output: step.name}");
  }
  if (root == "secrets") {
    site.diagnostics.error(site.place, fmt::format("{}: secrets are not pasted", site.what),
                           "list the name under secrets: it becomes an environment variable");
    return;
  }
  site.diagnostics.error(site.place,
                         fmt::format("{}: \"{}\" is unknown", site.what, shown(reference)),
                         did_you_mean(root, {"matrix", "env", "inputs", "commit"}));
}

}  // namespace

TemplateText check_template(const std::string& text, const Place& place, const std::string& what,
                            const TemplateScope& scope, Diagnostics& diagnostics) {
  Site site{place, what, scope, diagnostics};
  TemplateText result;
  size_t at = 0;
  while (at < text.size()) {
    size_t open = std::min(text.find("${{", at), text.size());
    if (open > at) result.parts.push_back({false, text.substr(at, open - at)});
    if (open == text.size()) break;
    size_t close = text.find("}}", open);
    if (close == std::string::npos) {
      diagnostics.error(place, fmt::format("{}: \"${{{{\" is never closed", what),
                        "write ${{ matrix.NAME }}");
      return {};
    }
    std::string reference = trimmed(std::string_view(text).substr(open + 3, close - open - 3));
    check_reference(site, reference);
    result.parts.push_back({true, reference});
    at = close + 2;
  }
  return result;
}

std::optional<TemplateText> read_template(const YamlNode& node, const std::string& what,
                                          const TemplateScope& scope, Diagnostics& diagnostics) {
  auto text = read_scalar(node, what, diagnostics);
  if (!text) return std::nullopt;
  return check_template(*text, node.place(), what, scope, diagnostics);
}

bool refers_to(const TemplateText& text, std::string_view prefix) {
  return std::any_of(text.parts.begin(), text.parts.end(), [&](const TemplateText::Part& part) {
    return part.reference && part.text.substr(0, prefix.size()) == prefix;
  });
}

std::string pattern_of(const TemplateText& text) {
  return resolve_text(text, [](const std::string&) { return "*"; });
}

bool patterns_meet(std::string_view a, std::string_view b) {
  // reach[j]: the part of `a` read so far and the first j bytes of `b` have a common text.
  std::vector<bool> reach(b.size() + 1);
  reach[0] = true;
  for (size_t j = 0; j < b.size(); ++j) reach[j + 1] = reach[j] && b[j] == '*';
  for (char c : a) {
    std::vector<bool> next(b.size() + 1);
    next[0] = reach[0] && c == '*';
    for (size_t j = 0; j < b.size(); ++j) {
      bool stars = c == '*' || b[j] == '*';
      next[j + 1] = stars ? (reach[j + 1] || next[j] || reach[j]) : (reach[j] && c == b[j]);
    }
    reach = std::move(next);
  }
  return reach[b.size()];
}

}  // namespace lockstep
