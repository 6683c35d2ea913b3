// Documents as people read them: one function per command, each the whole of what it prints.
// Knows nothing of how the documents were got, of options or of terminals beyond Style.
#pragma once

#include <string>

#include "pipeline/cli/document.h"
#include "pipeline/cli/table.h"

namespace lockstep {

// Lists longer than this are cut, with "… and N more (--all)".
inline constexpr size_t kShown = 20;

// ---- plan and run (render_plan.cc, render_run.cc) ---------------------------------------------

std::string render_plan(const Doc& plan, const Style& style, bool all);
// "12 rows changed, 3 added": of a change document; empty where nothing is known.
std::string change_text(const Doc& change);
// "utterances[client=client-3]: 12 rows changed"
std::string reason_text(const Doc& reason);
// "9 steps: 1 to run, 8 waiting for trunk"
std::string plan_summary(const Doc& counts, const std::vector<std::string>& waits_for);

// The lines before anything runs: data and code (on a first run, or where `sources`), and the plan.
std::string render_run_head(const Doc& run, const Style& style, bool sources);
// "train  trunk, intent-client-1 … 8              ████████████ 9/9   2.1 s", without line feed;
// empty where nothing is to run.
std::string render_run_train(const Doc& run, const Style& style);
// What came of it: train line, failures, gates, releases, notes.
std::string render_run_tail(const Doc& run, const Style& style);
std::string render_run(const Doc& run, const Style& style);  // `run show`: all of it
std::string render_runs(const Doc& runs, const Style& style);
std::string render_previews(const Doc& previews, const Style& style);
// What a preview is of: "tables@feature/x", "tag v1 of code", "nightly with day=3".
std::string preview_text(const Doc& preview);
std::string render_promotion(const Doc& promotion, const Style& style, bool dry_run);
std::string render_approval(const Doc& approval, const Style& style, bool dry_run);
// One line for each model of a run's "preview".
std::string render_preview_models(const Doc& preview, const Style& style);

// ---- the workspace (render_work.cc) -----------------------------------------------------------

std::string render_check(const Doc& check, const Style& style);
std::string render_status(const Doc& status, const Style& style);
std::string render_lag(const Doc& lag, const Style& style, bool all);
// `first`: with headings; for `tables` and `diff` the pages behind it are without.
std::string render_tables(const Doc& tables, const Style& style, bool first = true);
std::string render_diff(const Doc& diff, const Style& style, bool first = true);
std::string render_import(const Doc& import, const Style& style);
std::string render_gc(const Doc& gc, const Style& style);
std::string render_reload(const Doc& reload, const Style& style);
std::string render_doctor(const Doc& doctor, const Style& style);
// "error: message\n  at where\n  hint: …\n" of {"message","hint","where"}
std::string render_problem(const Doc& problem, const Style& style, bool warning = false);

// ---- models (render_models.cc) ----------------------------------------------------------------

std::string render_models(const Doc& models, const Style& style);
std::string render_model(const Doc& model, const Style& style, bool all);
std::string render_why(const Doc& why, const Style& style);
std::string render_predict(const Doc& predict, const Style& style);
std::string render_replay(const Doc& replay, const Style& style);
std::string render_rollback(const Doc& rollback, const Style& style, bool dry_run);
std::string render_pins(const Doc& answer, const Style& style, bool dry_run);

// ---- releases (render_releases.cc) ------------------------------------------------------------

std::string render_releases(const Doc& releases, const Style& style);
std::string render_release(const Doc& release, const Style& style);
std::string render_release_diff(const Doc& diff, const Style& style);
std::string render_release_rollback(const Doc& rollback, const Style& style, bool dry_run);
std::string render_release_rebuild(const Doc& rebuild, const Style& style, bool dry_run);
std::string render_release_push(const Doc& push, const Style& style, bool dry_run);
std::string render_release_promotion(const Doc& promotion, const Style& style, bool dry_run);
std::string render_release_sign(const Doc& answer, const Style& style, bool dry_run);
// (render_changelog.cc)
std::string render_changelog(const Doc& log, const Style& style);
std::string markdown_changelog(const Doc& log);
std::string render_release_verify(const Doc& verify, const Style& style);

// ---- what is recorded (render_ledger.cc) ------------------------------------------------------

std::string render_adopted(const Doc& answer, const Style& style, bool dry_run);
std::string render_imported(const Doc& answer, const Style& style, bool dry_run);
// Notes and tags of a version or a release, with who and when; empty where there are none.
std::string remarks_text(const Doc& of, const Style& style, bool all);
std::string render_remarks(const Doc& answer, const Style& style, bool dry_run);
std::string render_versions(const Doc& versions, const Style& style);
std::string render_version_diff(const Doc& diff, const Style& style);
std::string render_kept(const Doc& answer, const Style& style, bool dry_run);

// "accuracy 0.934, loss 0.21": at most `shown`, accuracy first.
std::string metrics_text(const Doc& metrics, size_t shown);
// Its "paths" as people write them: "train/**" is "train/".
std::vector<std::string> paths_text(const Doc& code);
// "first, second, third, and 4 more": joined, cut behind `shown`.
std::string few(const std::vector<std::string>& parts, size_t shown,
                std::string_view between = ", ");

}  // namespace lockstep
