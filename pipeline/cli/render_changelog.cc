// What changed between two releases, as text and as Markdown.
#include "pipeline/cli/render.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

std::string versions_text(const Doc& entry) {
  std::string kind = entry.text("kind");
  if (kind == "added") return "new, version " + entry.text("to");
  if (kind == "removed") return "gone, was version " + entry.text("from");
  return entry.text("from") + " → " + entry.text("to");
}

// "accuracy 0.91 → 0.93, loss 0.31 → 0.2": what moved, or all that a new model has; of what stayed
// the accuracy alone.
std::string metrics_moved(const Doc& entry) {
  std::vector<std::string> parts;
  for (const auto& [name, pair] : entry.fields("metrics")) {
    auto both = pair.list();
    if (both.size() != 2) continue;
    const bool accuracy = name == "accuracy", fresh = both[0].json().is_null();
    const std::string from = fresh ? "" : decimal(both[0].json().get<double>());
    const std::string to = decimal(both[1].json().get<double>());
    if (from == to && !accuracy) continue;
    const std::string text = clean(name) + " " +
                             (fresh        ? to
                              : from == to ? to + " as before"
                                           : from + " → " + to);
    parts.insert(accuracy ? parts.begin() : parts.end(), text);
  }
  return few(parts, 4);
}

struct Counts {
  int64_t moved = 0, added = 0, removed = 0;
};

Counts counts_of(const Doc& log) {
  Counts counts;
  for (const Doc& entry : log.list("entries")) {
    std::string kind = entry.text("kind");
    ++(kind == "added" ? counts.added : kind == "removed" ? counts.removed : counts.moved);
  }
  return counts;
}

std::string summary(const Doc& log) {
  Counts counts = counts_of(log);
  std::vector<std::string> parts;
  if (counts.moved) parts.push_back(plural(counts.moved, "model") + " changed");
  if (counts.added) parts.push_back(std::to_string(counts.added) + " new");
  if (counts.removed) parts.push_back(std::to_string(counts.removed) + " gone");
  int64_t same = log.number("models") - counts.moved - counts.added;
  if (parts.empty()) return "the same models in the same versions";
  return join(parts, ", ") + ", " + thousands(same) + " as before";
}

std::vector<std::string> reasons(const Doc& entry) {
  std::vector<std::string> texts;
  for (const Doc& one : entry.list("why")) texts.push_back(one.text("text"));
  return texts;
}

// Names and texts from outside are no Markdown of ours.
std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (std::string_view("\\`*_[]<>#|").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

std::string render_changelog(const Doc& log, const Style& style) {
  std::string out = transcript_line(style, "release", log.text("to"),
                                    log.text("channel") + ", " + when(log.text("created")));
  if (log.has("from")) out += transcript_line(style, "since", log.text("from"));
  out += transcript_line(style, "", summary(log));
  for (const Doc& entry : log.list("entries")) {
    out += "\n" + style.bold(entry.text("model")) + "  " + versions_text(entry) + "\n";
    for (const std::string& why : reasons(entry)) out += "  " + why + "\n";
    std::string metrics = metrics_moved(entry);
    if (!metrics.empty()) out += "  " + metrics + "\n";
  }
  return out;
}

std::string markdown_changelog(const Doc& log) {
  std::string out = "## Release " + log.text("to") + "\n\n";
  out += escaped(log.text("channel")) + ", " + when(log.text("created")) + " UTC";
  if (log.has("from")) out += ", since " + log.text("from");
  out += ": " + summary(log) + ".\n";
  if (!log.list("entries").empty()) out += "\n";
  for (const Doc& entry : log.list("entries")) {
    out += "- **" + escaped(entry.text("model")) + "** " + versions_text(entry);
    auto why = reasons(entry);
    if (!why.empty()) out += ": " + escaped(join(why, "; "));
    out += ".";
    std::string metrics = metrics_moved(entry);
    if (!metrics.empty()) out += " " + escaped(metrics) + ".";
    out += "\n";
  }
  return out;
}

}  // namespace lockstep
