#include "pipeline/cli/follow.h"

#include "pipeline/cli/render.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

constexpr int64_t kTellEveryMs = 1000;

// The last live line of the one step that is running: "epoch 12, loss 0.31".
std::string live(const Doc& run) {
  std::string text;
  int running = 0;
  for (const Doc& step : run.list("steps")) {
    if (step.text("state") != "running") continue;
    if (++running == 1 && step.has("metrics")) text = metrics_text(step.part("metrics"), 3);
  }
  return running == 1 && !text.empty() ? "   " + text : "";
}

// What a run document must have for scripts, where nothing had to be started.
Json nothing_started(const Json& started) {
  Json document = {{"run", nullptr}, {"result", "done"},   {"executed", 0},         {"current", 0},
                   {"failed", 0},    {"release", nullptr}, {"steps", Json::array()}};
  if (started.is_object()) document.update(started);
  return document;
}

std::string render_nothing(const Doc& document, const Style& style) {
  std::string note = document.text("note");
  std::string out = transcript_line(style, "plan", note.empty() ? "nothing to run" : note);
  if (document.has("held")) {
    out += transcript_line(style, style.yellow("held"), document.part("held").text("why"),
                           "lockstep approve-change");
  }
  return out;
}

Json next(Context& context, const std::string& id, int64_t seen) {
  // On a terminal the clock moves on even where nothing is new.
  bool redraws = context.environment().terminal.err;
  try {
    return context.get({"v1", "runs", id},
                       {{"seen", std::to_string(seen)}, {"wait_ms", redraws ? "500" : "10000"}});
  } catch (const Error& error) {
    if (error.code != ErrorCode::kUnavailable) throw;
    throw Error(error.code, error.message,
                "the run goes on with the daemon; look at it with `lockstep run show " +
                    shell_word(id) + "`",
                error.where);
  }
}

bool known(const Doc& run) {
  return run.has("planned") || run.has("steps");
}

}  // namespace

void RunProgress::draw(const Doc& run) {
  if (context_.environment().terminal.err) return redraw(run);
  if (!context_.json) tell(run);
}

void RunProgress::redraw(const Doc& run) {
  std::string line = render_run_train(run, Style{});
  if (line.empty()) return;
  size_t columns = context_.environment().terminal.columns;
  context_.err() << "\r" << cut(line + live(run), columns > 1 ? columns - 1 : 1) << "\x1b[K"
                 << std::flush;
  drawn_ = true;
}

void RunProgress::tell(const Doc& run) {
  if (context_.now_ms() - told_ms_ < kTellEveryMs) return;
  std::vector<std::string> fresh;
  int64_t total = 0, finished = 0;
  for (const Doc& step : run.list("steps")) {
    std::string state = step.text("state");
    bool over = state == "done" || state == "failed" || state == "cancelled";
    total += over || state == "running" || state == "run" || state == "waiting";
    finished += over;
    if (over && told_.insert(step.text("step")).second) fresh.push_back(step.text("step"));
  }
  if (fresh.empty()) return;
  told_ms_ = context_.now_ms();
  context_.err() << thousands(finished) << "/" << thousands(total) << "   "
                 << compress_names(fresh, 90) << "\n"
                 << std::flush;
}

void RunProgress::clear() {
  if (drawn_) context_.err() << "\r\x1b[K" << std::flush;
  drawn_ = false;
}

int run_exit_code(const Doc& run) {
  std::string result = run.text("result");
  if (result == "done") return kExitDone;
  return result == "held" ? kExitRefused : kExitFailed;
}

namespace {

// A newer plan has taken the run's place and adopted its attempts: its end is the one to wait for,
// as far as it has the same steps to do.
Json await_successor(Context& context, const Json& superseded) {
  Doc old(superseded);
  std::string id = old.text("superseded_by");
  context.err() << "run " << clean(old.text("run")) << " is superseded by run " << clean(id) << "\n"
                << std::flush;
  Json document = await_run(context, id);
  std::vector<std::string> missing = old.texts("left_out");
  if (missing.empty()) return document;
  context.err() << "run " << clean(id) << " left out " << compress_names(missing, 90) << "\n";
  return superseded;
}

}  // namespace

Json await_run(Context& context, const std::string& id) {
  RunProgress progress(context);
  bool headed = context.json;
  for (int64_t seen = -1;;) {
    Json document = next(context, id, seen);
    Doc run(document);
    bool over = run.text("result") != "running";
    if (over) progress.clear();
    if (!headed && (over || known(run))) {
      context.out() << render_run_head(run, context.style(), false) << std::flush;
      headed = true;
    }
    if (over && run.text("result") == "superseded" && run.has("superseded_by")) {
      return await_successor(context, document);
    }
    if (over) {
      if (!context.json) context.out() << render_run_tail(run, context.style());
      return document;
    }
    progress.draw(run);
    seen = run.number("revision", -1);
  }
}

int follow_run(Context& context, const Json& started) {
  if (Doc(started).has("run")) {
    Json document = await_run(context, Doc(started).text("run"));
    if (context.json) context.print_json(document);
    return run_exit_code(document);
  }
  Json document = nothing_started(started);
  return context.show(
      document, [&](const Doc& doc) { return render_nothing(doc, context.style()); },
      run_exit_code(document));
}

}  // namespace lockstep
