// Commands that plan, run and look at work.
#include <memory>

#include "pipeline/cli/commands.h"
#include "pipeline/cli/follow.h"
#include "pipeline/cli/render.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

constexpr const char* kGroup = "Work";
constexpr size_t kMaxJsonLog = 64 << 20;

void add_plan(Commands& commands) {
  auto* plan =
      commands.add("plan", kGroup, "Tell what the newest commits ask for, and why; changes nothing",
                   "lockstep plan\nlockstep plan --json | jq '.counts'");
  auto all = std::make_shared<bool>(false);
  plan->add_flag("--all", *all, "Do not cut long lists");
  commands.on(plan, [all](Context& context) {
    return context.show_answer(
        {"v1", "plan"}, [&](const Doc& doc) { return render_plan(doc, context.style(), *all); });
  });
}

void add_run_show(Commands& commands, CLI::App* run) {
  auto* show = commands.add("show", "", "Show one run", "lockstep run show 12", run);
  auto id = std::make_shared<std::string>();
  show->add_option("ID", *id, "The run (see `lockstep runs`)")->required();
  commands.on(show, [id](Context& context) {
    Json document = context.get({"v1", "runs", *id});
    return context.show(document, [&](const Doc& doc) { return render_run(doc, context.style()); });
  });
}

void add_run(Commands& commands) {
  struct Options {
    std::vector<std::string> steps;
    bool force = false;
    std::string branch, tag;
  };
  auto* run = commands.add("run", kGroup, "Plan, do what is to do, and wait for its end",
                           "lockstep run\nlockstep run 'train[client=client-3]' --force\n"
                           "lockstep run show 12");
  auto options = std::make_shared<Options>();
  run->add_option("STEP", options->steps, "Only these steps (names or patterns) and their inputs");
  run->add_flag("--force", options->force, "Run them even where their result is known");
  run->add_option(
         "--branch", options->branch,
         "Make previews of a data branch: its models are trained and judged, none goes live")
      ->type_name("[SOURCE@]BRANCH");
  run->add_option("--tag", options->tag,
                  "Make the experiment of a tag: code and workflows are those of the tag")
      ->type_name("[SOURCE@]TAG");
  add_run_show(commands, run);
  commands.on(run, [options](Context& context) {
    Json body = {{"steps", options->steps}, {"force", options->force}};
    if (!options->branch.empty()) body["branch"] = options->branch;
    if (!options->tag.empty()) body["tag"] = options->tag;
    return follow_run(context, context.post({"v1", "runs"}, body));
  });
}

void add_status(Commands& commands) {
  auto* status =
      commands.add("status", kGroup, "Slots, queue, sources, and how many models are in step",
                   "lockstep status");
  commands.on(status, [](Context& context) {
    return context.show(context.get({"v1", "status"}),
                        [&](const Doc& doc) { return render_status(doc, context.style()); });
  });
}

void add_lag(Commands& commands) {
  auto* lag = commands.add("lag", kGroup, "How far live models are behind the heads, and why",
                           "lockstep lag");
  auto all = std::make_shared<bool>(false);
  lag->add_flag("--all", *all, "Do not cut long lists");
  commands.on(lag, [all](Context& context) {
    return context.show(context.get({"v1", "lag"}),
                        [&](const Doc& doc) { return render_lag(doc, context.style(), *all); });
  });
}

void add_runs(Commands& commands) {
  auto* runs = commands.add("runs", kGroup, "The newest runs", "lockstep runs --limit 5");
  auto limit = std::make_shared<int64_t>(20);
  runs->add_option("--limit", *limit, "How many (20)")
      ->type_name("N")
      ->check(CLI::Range(1, 10'000));
  commands.on(runs, [limit](Context& context) {
    return context.show(context.get({"v1", "runs"}, {{"limit", std::to_string(*limit)}}),
                        [&](const Doc& doc) { return render_runs(doc, context.style()); });
  });
}

// "12/train[path=a/b]" is run 12; "train[path=a/b]" names no run.
std::pair<std::string, std::string> split_log_name(const std::string& target) {
  size_t slash = target.find('/'), bracket = target.find('[');
  if (slash == std::string::npos || slash > bracket) return {"", target};
  return {target.substr(0, slash), target.substr(slash + 1)};
}

// Reads the log on from an offset; prints it as it comes, or gathers it.
int print_log(Context& context, const std::string& target, bool follow) {
  auto [run, step] = split_log_name(target);
  Json whole = {{"run", run}, {"step", step}, {"log", ""}, {"end", false}};
  auto& text = whole["log"].get_ref<std::string&>();
  for (int64_t offset = 0;;) {
    std::map<std::string, std::string> query = {
        {"step", step}, {"offset", std::to_string(offset)}, {"wait_ms", follow ? "20000" : "0"}};
    if (!run.empty()) query["run"] = run;
    Json answer = context.get({"v1", "log"}, query);
    Doc doc(answer);
    std::string piece = doc.part("log").is_text() ? answer["log"].get<std::string>() : "";
    int64_t next = doc.number("offset", offset);
    if (context.json) {
      text += piece;
    } else if (context.environment().terminal.out) {
      context.out() << clean_log(piece) << std::flush;
    } else {
      context.out() << piece << std::flush;
    }
    whole["end"] = doc.flag("end");
    if (doc.has("run")) whole["run"] = run = doc.text("run");
    bool stands_still = next <= offset && !follow;
    if (doc.flag("end") || stands_still || text.size() > kMaxJsonLog) break;
    offset = std::max(offset, next);
  }
  if (context.json) context.print_json(whole);
  return kExitDone;
}

void add_logs(Commands& commands) {
  struct Options {
    std::string target;
    bool follow = false;
  };
  auto* logs = commands.add("logs", kGroup, "What a step printed",
                            "lockstep logs 'train[client=client-3]'\nlockstep logs 12/trunk -f");
  auto options = std::make_shared<Options>();
  logs->add_option("[RUN/]STEP", options->target, "The step; without RUN its newest attempt")
      ->required();
  logs->add_flag("-f,--follow", options->follow, "Go on until the step ends");
  commands.on(logs, [options](Context& context) {
    return print_log(context, options->target, options->follow);
  });
}

void add_cancel(Commands& commands) {
  struct Options {
    std::string run, reason;
  };
  auto* cancel = commands.add("cancel", kGroup, "Stop a run", "lockstep cancel 12");
  auto options = std::make_shared<Options>();
  cancel->add_option("RUN", options->run, "The run (see `lockstep runs`)")->required();
  cancel->add_option("--reason", options->reason, "Why, for the record");
  commands.on(cancel, [options](Context& context) {
    Json answer =
        context.post({"v1", "runs", options->run, "cancel"}, {{"reason", options->reason}});
    return context.show(answer, [&](const Doc& doc) {
      auto steps = doc.texts("cancelled");
      return transcript_line(context.style(), "run", clean(options->run) + "   cancelled",
                             compress_names(steps, 90));
    });
  });
}

void add_retry(Commands& commands) {
  auto* retry =
      commands.add("retry", kGroup, "Try a run, step or model again whose attempts are used up",
                   "lockstep retry 'train[client=client-3]'\nlockstep retry 12");
  auto what = std::make_shared<std::string>();
  retry->add_option("RUN|STEP|MODEL", *what, "What to try again")->required();
  commands.on(retry, [what](Context& context) {
    return follow_run(context, context.post({"v1", "retry"}, {{"what", *what}}));
  });
}

void add_approve_change(Commands& commands) {
  auto* approve = commands.add("approve-change", kGroup,
                               "Let a held change go on: many models gone or new at once",
                               "lockstep approve-change --reason \"clients left in March\"");
  auto moving = std::make_shared<Moving>();
  moving->add_to(approve);
  commands.on(approve, [moving](Context& context) {
    return context.show(
        context.post({"v1", "approve-change"}, moving->body()), [&](const Doc& doc) {
          auto models = doc.texts("approved");
          std::string note = moving->dry_run ? "dry run: nothing was approved\n" : "";
          return transcript_line(context.style(), "approved", compress_names(models, 90)) + note;
        });
  });
}

}  // namespace

void add_work_commands(Commands& commands) {
  add_plan(commands);
  add_run(commands);
  add_status(commands);
  add_lag(commands);
  add_runs(commands);
  add_logs(commands);
  add_cancel(commands);
  add_retry(commands);
  add_approve_change(commands);
}

}  // namespace lockstep
