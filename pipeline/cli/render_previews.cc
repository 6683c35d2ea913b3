// Previews and experiments: what their models would be beside the champions.
#include "pipeline/cli/render.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

// "accuracy 0.91 (0.89)": what it has, and the champion has.
std::string compared(const Doc& model) {
  std::string out;
  Doc old = model.part("champion_metrics");
  for (const auto& [name, value] : model.fields("metrics")) {
    if (!out.empty()) out += ", ";
    out += name + " " + decimal(model.part("metrics").real(name.c_str()));
    if (old.has(name.c_str())) out += " (" + decimal(old.real(name.c_str())) + ")";
  }
  return out;
}

std::string verdict(const Doc& model, const Style& style) {
  if (!model.has("version")) return style.red("none");
  if (!model.flag("passed")) return style.red("rejected: " + model.text("verdict"));
  return style.green(model.text("verdict").empty() ? "no gate" : model.text("verdict"));
}

}  // namespace

std::string render_preview_models(const Doc& preview, const Style& style) {
  Table table(style, {"model", "preview", "champion", "gate", "metrics (champion's)"}, "       ");
  size_t shown = 0;
  auto models = preview.list("models");
  for (const Doc& model : models) {
    if (++shown > kShown) break;
    std::string champion = model.has("champion") ? model.text("champion") : "-";
    table.row({model.text("model"), model.has("version") ? model.text("version") : "-", champion,
               verdict(model, style), compared(model)});
  }
  std::string out = table.text();
  if (models.size() > kShown) {
    out += "       … and " + thousands(static_cast<int64_t>(models.size() - kShown)) + " more\n";
  }
  return out;
}

std::string render_previews(const Doc& previews, const Style& style) {
  std::string out;
  for (const Doc& one : previews.list()) {
    std::string right = "commit " + short_id(one.text("commit"));
    if (one.has("run")) right += ", run " + one.text("run") + " " + one.text("result");
    const char* kind = one.has("tag") ? "tag" : one.has("workflow") ? "inputs" : "branch";
    out += transcript_line(style, kind, preview_text(one), right);
    out += render_preview_models(one, style);
  }
  if (out.empty()) return "no branch has a preview; `on: {data: {branches: [...]}}` follows some\n";
  return out;
}

std::string preview_text(const Doc& preview) {
  if (preview.has("tag")) return "tag " + preview.text("tag") + " of " + preview.text("source");
  if (!preview.has("workflow")) return preview.text("source") + "@" + preview.text("branch");
  std::vector<std::string> values;
  for (const auto& [name, value] : preview.fields("inputs")) {
    values.push_back(name + "=" + cut(value.text(), 60));
  }
  return preview.text("workflow") + " with " + join(values, ", ");
}

namespace {

std::string moved(const Doc& answer, const Style& style, bool dry_run, const std::string& note) {
  std::string out = transcript_line(
      style, "model", answer.text("model") + " " + answer.text("from") + " → " + answer.text("to"),
      note);
  for (const Doc& release : answer.list("releases")) {
    out += transcript_line(style, "release", release.text("to"),
                           release.flag("known") ? "known content" : "new content");
  }
  return dry_run ? out + "dry run: nothing was moved\n" : out;
}

}  // namespace

std::string render_promotion(const Doc& promotion, const Style& style, bool dry_run) {
  const bool pinned = promotion.flag("pinned") || !promotion.has("channel");
  return moved(
      promotion, style, dry_run,
      pinned ? "pinned at version " + promotion.text("to") : "in " + promotion.text("channel"));
}

std::string render_approval(const Doc& approval, const Style& style, bool dry_run) {
  return moved(approval, style, dry_run, "approved");
}

}  // namespace lockstep
