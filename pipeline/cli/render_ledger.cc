// What the registry records: adoption, notes and tags, found versions.
#include "pipeline/cli/render.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

std::string tag_text(const Doc& tag) {
  const std::string value = tag.text("value");
  return tag.text("key") + (value.empty() ? "" : "=" + value);
}

std::string tags_text(const Doc& tags) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : tags.fields()) {
    const std::string text = value.text();
    parts.push_back(key + (text.empty() ? "" : "=" + text));
  }
  return join(parts, ", ");
}

std::string by_whom(const Doc& one) {
  return one.text("who") + ", " + when(one.text("time"));
}

std::string about(const Doc& answer) {
  if (answer.has("release")) return "release " + answer.text("release");
  return answer.text("model") + "@" + answer.text("version");
}

void add_sides(Table& table, const char* label, const std::vector<Doc>& all) {
  for (const Doc& one : all) {
    const auto side = [&](const char* which) {
      return one.part(which).json().is_null() ? "nothing" : cut(one.part(which).text(), 60);
    };
    table.row({label, one.text("name"), side("a"), "→", side("b")});
  }
}

}  // namespace

std::string render_adopted(const Doc& answer, const Style& style, bool dry_run) {
  Table table(style, {"", "", "", "", ""});
  for (const Doc& one : answer.list("adopted")) {
    table.row({style.green("adopted"), one.text("model") + "@" + one.text("version"),
               short_id(one.text("sha256")), metrics_text(one.part("metrics"), 1),
               one.text("file")});
  }
  for (const Doc& one : answer.list("left")) {
    table.row({style.yellow("left"), one.text("model"), "", "", one.text("why")});
  }
  if (table.empty()) return "every model has its result already\n";
  return table.text() + (dry_run ? "dry run: nothing was adopted\n" : "");
}

std::string render_imported(const Doc& answer, const Style& style, bool dry_run) {
  const auto releases = answer.list("releases");
  std::string right = plural(answer.number("versions"), "new version") + " of " +
                      plural(answer.number("models"), "model");
  std::string out = transcript_line(
      style, "import", plural(static_cast<int64_t>(releases.size()), "release"), right);
  if (answer.number("without_digest") > 0) {
    out += transcript_line(
        style, "", thousands(answer.number("without_digest")) + " of which no digest is known");
  }
  Table table(style, {"CHANNEL", "TAG", ">MODELS", "STYLE", ""});
  const size_t first = releases.size() <= kShown ? 0 : releases.size() - kShown;
  for (size_t i = first; i < releases.size(); ++i) {
    const Doc& one = releases[i];
    table.row({one.text("channel"), one.text("tag"), one.text("models"), one.text("style"),
               one.flag("new") ? "" : "known"});
  }
  out += table.text();
  return dry_run ? out + "dry run: nothing was taken in\n" : out;
}

std::string remarks_text(const Doc& of, const Style& style, bool all) {
  std::string out;
  if (of.has("tags")) {
    out += transcript_line(style, "tags", tags_text(of.part("tags")), "", 13);
  }
  auto notes = of.list("notes");
  const size_t first = all || notes.size() <= kShown ? 0 : notes.size() - kShown;
  for (size_t i = first; i < notes.size(); ++i) {
    out +=
        transcript_line(style, "note", "\"" + notes[i].text("text") + "\"", by_whom(notes[i]), 13);
  }
  // What is now was said above.
  for (const Doc& move : all ? of.list("tag_history") : std::vector<Doc>()) {
    out += transcript_line(style, move.flag("removed") ? "untagged" : "tagged", tag_text(move),
                           by_whom(move), 13);
  }
  return out;
}

std::string render_remarks(const Doc& answer, const Style& style, bool dry_run) {
  std::string out = transcript_line(style, "about", about(answer), "", 13);
  out += remarks_text(answer, style, true);
  return dry_run ? out + "dry run: nothing was recorded\n" : out;
}

std::string render_versions(const Doc& versions, const Style& style) {
  Table table(style, {"VERSION", "CREATED", "SHA256", "METRICS", "ALIASES", "TAGS", "ROWS BY"});
  for (const Doc& one : versions.list()) {
    table.row({one.text("model") + "@" + one.text("version"), when(one.text("created")),
               short_id(one.text("sha256")), metrics_text(one.part("metrics"), 2),
               join(one.texts("aliases"), ", "), tags_text(one.part("tags")),
               few(one.texts("committers"), 2)});
  }
  return table.empty() ? "no version is all of that\n" : table.text();
}

std::string render_version_diff(const Doc& diff, const Style& style) {
  const auto name = [&](const char* side) {
    return diff.part(side).text("model") + "@" + diff.part(side).text("version");
  };
  std::string out =
      transcript_line(style, "diff", name("a") + " → " + name("b"),
                      diff.flag("identical") ? "the same bytes"
                                             : short_id(diff.part("a").text("sha256")) + " → " +
                                                   short_id(diff.part("b").text("sha256")));
  for (const Doc& one : diff.list("data")) {
    const std::string right = one.has("note") ? one.text("note") : change_text(one.part("rows"));
    out += transcript_line(style, "data", one.text("slice"), right);
    if (one.list("sample").empty()) continue;
    const Json sample = {{"rows", one.part("sample").json()}};
    out += render_diff(sample, style, false);
    if (one.flag("more")) out += "… and more (--limit)\n";
  }
  for (const Doc& one : diff.list("code")) {
    out += transcript_line(style, "code", few(paths_text(one), 5),
                           plural(one.number("files"), "file") + ", " + short_id(one.text("from")) +
                               " → " + short_id(one.text("to")));
  }
  Table table(style, {"", "", "", "", ""});
  add_sides(table, "with", diff.list("parameters"));
  for (const Doc& one : diff.list("upstreams")) {
    const auto side = [&](const char* which) {
      const Doc used = one.part(which);
      return used.has("version") ? used.text("model") + "@" + used.text("version") : "nothing";
    };
    table.row({"from", one.text("input"), side("a"), "→", side("b")});
  }
  for (const auto& [metric, pair] : diff.fields("metrics")) {
    const auto both = pair.list();
    const auto value = [&](size_t i) {
      const bool there = i < both.size() && both[i].json().is_number();
      return there ? decimal(both[i].json().get<double>()) : std::string("nothing");
    };
    table.row({"metric", metric, value(0), "→", value(1)});
  }
  add_sides(table, "on", diff.list("environment"));
  return out + table.text();
}

std::string render_kept(const Doc& answer, const Style& style, bool dry_run) {
  std::string out =
      transcript_line(style, "release", answer.text("tag"),
                      answer.flag("kept") ? "is kept for good" : "is kept as others are");
  for (const std::string& text : answer.texts("not_held")) {
    out += transcript_line(style, style.yellow("rows"), text);
  }
  return dry_run ? out + "dry run: nothing was recorded\n" : out;
}

}  // namespace lockstep
