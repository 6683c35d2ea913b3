// Releases: the list, one, differences, rollbacks, pushes, verification.
#include "pipeline/cli/render.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

std::string line(const Style& style, std::string_view label, std::string_view left) {
  return left.empty() ? "" : transcript_line(style, label, left, "", 10);
}

// "1f3c9ab, 2 slices": where a model's rows come from.
std::string data_text(const Doc& model) {
  std::vector<std::string> parts;
  for (const Doc& data : model.list("data")) {
    std::string name = data.text(data.has("slice") ? "slice" : "table");
    parts.push_back(name + " " + short_id(data.text("commit")));
  }
  return few(parts, 2);
}

std::string metric_moves(const Doc& metrics) {
  std::vector<std::string> parts;
  for (const auto& [name, pair] : metrics.fields()) {
    auto both = pair.texts();
    bool accuracy = name == "accuracy";
    parts.insert(accuracy ? parts.begin() : parts.end(), name + " " + join(both, " → "));
  }
  return parts.empty() ? "" : parts[0];
}

void add_named(Table& table, const Doc& diff, const char* list, const std::string& label) {
  bool first = true;
  for (const Doc& one : diff.list(list)) {
    std::string name = one.is_text() ? one.text() : one.text("model");
    table.row(
        {std::exchange(first, false) ? label : "", name, one.is_text() ? "" : one.text("version")});
  }
}

// What differs beside the numbers: which slices between which commits, code, upstreams.
std::vector<std::string> causes(const Doc& model) {
  std::vector<std::string> all;
  for (const Doc& slice : model.list("slices")) {
    all.push_back(slice.text("slice") + " " + short_id(slice.text("from")) + " → " +
                  short_id(slice.text("to")));
  }
  for (const Doc& code : model.list("code")) {
    all.push_back(plural(code.number("files"), "file") + " of " + code.text("source") + " " +
                  short_id(code.text("from")) + " → " + short_id(code.text("to")));
  }
  for (const Doc& used : model.list("upstream")) {
    all.push_back(used.text("model") + " " + used.text("from") + " → " + used.text("to"));
  }
  return all;
}

// "ed25519:…, trusted" of each signature.
std::string signature_text(const Doc& release) {
  std::vector<std::string> all;
  for (const Doc& one : release.list("signatures")) {
    std::string worth = !one.flag("valid") ? "WRONG" : one.flag("trusted") ? "trusted" : "unknown";
    all.push_back(one.text("key") + ", " + worth);
  }
  return join(all, "; ");
}

}  // namespace

std::string render_releases(const Doc& releases, const Style& style) {
  Table table(style, {"CHANNEL", "TAG", "CREATED", "IMAGE", ""});
  for (const Doc& release : releases.list()) {
    table.row({release.text("name"), release.text("tag"), when(release.text("created")),
               short_id(release.text("image")), release.flag("live") ? style.green("live") : ""});
  }
  std::string held;
  for (const Doc& release : releases.list()) {
    if (!release.has("held")) continue;
    held += transcript_line(style, style.yellow("held"),
                            "release of " + release.text("name") + ": " + release.text("held"));
  }
  return table.empty() ? "no releases yet: lockstep run\n" : table.text() + held;
}

// Since when it had been live, at the time that was asked about.
static std::string since_text(const Doc& since) {
  const std::string text = when(since.text("time")) + ", " + since.text("why");
  if (!since.has("imported")) return text + " (" + since.text("who") + ")";
  return text + " (by " + since.text("who") + ", " + when(since.text("imported")) + ")";
}

std::string render_release(const Doc& release, const Style& style) {
  std::string right = release.text(release.has("channel") ? "channel" : "name");
  if (release.flag("live")) right += ", " + style.green("live");
  std::string out = transcript_line(style, "release", release.text("tag"), right, 10);
  out += line(style, "created", when(release.text("created")));
  if (release.has("since")) out += line(style, "since", since_text(release.part("since")));
  out += line(style, "sha256", release.text("sha256"));
  out += line(style, "content", release.text("content"));
  out += line(style, "image", release.text("image"));
  out += line(style, "base", release.text("base"));
  out += line(style, "folder", release.text("folder"));
  out += line(style, "pushed", release.text("pushed"));
  out += line(style, "signed", signature_text(release));
  if (release.has("withdrawn")) {
    Doc mark = release.part("withdrawn");
    out += line(style, style.yellow("withdrawn"),
                "by " + mark.text("who") + ", \"" + mark.text("reason") + "\"");
  }
  if (release.flag("kept")) out += line(style, "kept", "marked by hand");
  out += remarks_text(release, style, false);
  Table table(style, {"MODEL", ">VERSION", "SHA256", "CODE", "DATA", "METRICS"});
  for (const Doc& model : release.list("models")) {
    table.row({model.text("name"), model.text("version"), short_id(model.text("sha256")),
               short_id(model.text("code")), data_text(model),
               metrics_text(model.part("metrics"), 1)});
  }
  return out + "\n" + table.text();
}

std::string render_release_diff(const Doc& diff, const Style& style) {
  std::string out = transcript_line(
      style, "diff", diff.text("from").substr(0, 12) + " → " + diff.text("to").substr(0, 12));
  Table table(style, {"", "", "", "", ""});
  bool first = true;
  for (const Doc& model : diff.list("models")) {
    table.row({std::exchange(first, false) ? "moved" : "", model.text("model"),
               model.text("from") + " → " + model.text("to"), change_text(model.part("rows")),
               metric_moves(model.part("metrics"))});
    for (const std::string& cause : causes(model)) table.row({"", "", "", cause, ""});
  }
  add_named(table, diff, "added", style.green("added"));
  add_named(table, diff, "removed", style.red("removed"));
  return out + (table.empty() ? "       the same models in the same versions\n" : table.text());
}

std::string render_release_rollback(const Doc& rollback, const Style& style, bool dry_run) {
  std::string out = transcript_line(style, "release", rollback.text("to"),
                                    rollback.text("channel") + ": re-pointed, nothing built");
  out += transcript_line(style, "from", rollback.text("from"));
  for (const Doc& move : rollback.list("moves")) {
    if (!dry_run) break;
    std::string to = move.number("to") ? move.text("to") : "absent";
    out += transcript_line(style, "move", move.text("model"), move.text("from") + " → " + to);
  }
  auto pinned = rollback.texts("pinned");
  if (!pinned.empty()) out += transcript_line(style, "pinned", compress_names(pinned, 90));
  return dry_run ? out + "dry run: nothing was moved\n" : out;
}

std::string render_release_promotion(const Doc& promotion, const Style& style, bool dry_run) {
  std::string right = promotion.text("channel") + ": ";
  bool known = promotion.flag("known");
  right += !promotion.flag("moved") ? "unchanged" : known ? "re-pointed, nothing built" : "built";
  std::string out = transcript_line(style, "release", promotion.text("to"), right);
  if (promotion.has("from")) out += transcript_line(style, "from", promotion.text("from"));
  for (const Doc& move : promotion.list("moves")) {
    std::string from = move.number("from") ? move.text("from") : "none";
    std::string to = move.number("to") ? move.text("to") : "absent";
    out += transcript_line(style, "moved", move.text("model") + " " + from + " → " + to);
  }
  for (const std::string& held : promotion.texts("held_back")) {
    out += transcript_line(style, "held back", held);
  }
  return dry_run ? out + "dry run: nothing was moved\n" : out;
}

std::string render_release_sign(const Doc& answer, const Style& style, bool dry_run) {
  std::string out = transcript_line(style, "sign", answer.text("tag"), answer.text("key"));
  return dry_run ? out + "dry run: nothing was signed\n" : out;
}

std::string render_release_rebuild(const Doc& rebuild, const Style& style, bool dry_run) {
  std::string right = plural(rebuild.number("models"), "model");
  if (rebuild.has("folder")) right += " → " + rebuild.text("folder");
  std::string out = transcript_line(style, "release", rebuild.text("tag"), right);
  return dry_run ? out + "dry run: nothing was built\n" : out;
}

std::string render_release_push(const Doc& push, const Style& style, bool dry_run) {
  std::string out;
  for (const Doc& one : push.list("pushed")) {
    out += transcript_line(style, "pushed", one.text("tag"), short_id(one.text("digest")));
    for (const std::string& ref : one.texts("refs")) out += transcript_line(style, "", ref);
  }
  if (out.empty()) out = "nothing to push\n";
  return dry_run ? out + "dry run: nothing was pushed\n" : out;
}

std::string render_release_verify(const Doc& verify, const Style& style) {
  Doc checked = verify.part("checked");
  std::string out =
      transcript_line(style, "verify", verify.text("tag"),
                      (verify.flag("ok") ? style.green("ok") : style.red("not as recorded")) +
                          ": " + plural(checked.number("models"), "model") + ", " +
                          plural(checked.number("blobs"), "blob") + " read");
  if (verify.json().contains("signed")) {
    bool is_signed = verify.flag("signed");
    out += transcript_line(style, "", is_signed ? "signed" : "unsigned: digests alone speak for it",
                           signature_text(verify));
  }
  for (const std::string& problem : verify.texts("problems")) {
    out += transcript_line(style, "", problem);
  }
  return out;
}

}  // namespace lockstep
