// Commands of the workspace itself: init, check, serve, import, gc,
// doctor, completion.
#include <algorithm>
#include <memory>

#include "pipeline/cli/commands.h"
#include "pipeline/cli/render.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

constexpr const char* kGroup = "Workspace";

void add_init(Commands& commands) {
  struct Options {
    InitOptions init;
    std::string folder;
  };
  auto* init = commands.add("init", kGroup, "Make a workspace",
                            "lockstep init\nlockstep init intents --from ../intents.git");
  auto options = std::make_shared<Options>();
  init->add_option("DIR", options->folder, "Where; default: here");
  init->add_option("--from", options->init.from, "A code repository whose workflows to take")
      ->type_name("REPO");
  commands.on(init, [options](Context& context) {
    fs::path folder = context.folder();
    if (!options->folder.empty()) folder /= options->folder;
    return context.show(context.environment().init(folder, options->init), [&](const Doc& doc) {
      std::string out = transcript_line(context.style(), "made", doc.text("workspace"));
      for (const std::string& file : doc.texts("created")) {
        out += transcript_line(context.style(), "", file);
      }
      for (const std::string& next : doc.texts("next")) {
        out += transcript_line(context.style(), "next", next);
      }
      return out;
    });
  });
}

void add_check(Commands& commands) {
  auto* check = commands.add("check", kGroup, "Every error of workspace and workflows at once",
                             "lockstep check");
  commands.on(check, [](Context& context) {
    Json document = context.get({"v1", "check"});
    return context.show(
        document, [&](const Doc& doc) { return render_check(doc, context.style()); },
        Doc(document).flag("ok") ? kExitDone : kExitFailed);
  });
}

void add_serve(Commands& commands) {
  auto* serve = commands.add("serve", kGroup, "Watch the sources and keep every model in step",
                             "lockstep serve");
  auto options = std::make_shared<ServeOptions>();
  serve->add_flag("-v,--verbose", options->verbose, "Log more");
  serve->add_option("--log-format", options->log_format, "text, or json: an object in each line")
      ->check(CLI::IsMember({"text", "json"}));
  commands.on(serve, [options](Context& context) {
    return context.environment().serve(context.workspace(), *options);
  });
}

void add_reload(Commands& commands) {
  auto* reload =
      commands.add("reload", kGroup, "Have the daemon read lockstep.yaml again", "lockstep reload");
  commands.on(reload, [](Context& context) {
    Json document = context.post({"v1", "reload"}, Json::object());
    return context.show(
        document, [&](const Doc& doc) { return render_reload(doc, context.style()); },
        Doc(document).flag("ok") ? kExitDone : kExitFailed);
  });
}

void add_import(Commands& commands) {
  struct Options {
    std::string name, from;
    bool accept = false;
    Moving moving;
  };
  auto* command = commands.add("import", kGroup, "Bring a sheet into its table, as one commit",
                               "lockstep import sheet --dry-run\n"
                               "lockstep import sheet --from ~/export.csv");
  auto options = std::make_shared<Options>();
  command->add_option("NAME", options->name, "One of the workspace's imports")->required();
  command->add_option("--from", options->from, "Read this file instead of the sheet")
      ->type_name("FILE");
  command->add_flag("--accept-change", options->accept,
                    "Also where it changes or removes more than max-change allows");
  options->moving.add_to(command);
  commands.on(command, [options](Context& context) {
    Json body = options->moving.body();
    body["accept_change"] = options->accept;
    if (!options->from.empty()) {
      body["from"] = fs::absolute(context.folder() / options->from).lexically_normal().string();
    }
    return context.show(context.post({"v1", "imports", options->name}, body),
                        [&](const Doc& doc) { return render_import(doc, context.style()); });
  });
}

void add_gc(Commands& commands) {
  auto* gc =
      commands.add("gc", kGroup, "Free bytes that nothing kept names", "lockstep gc --dry-run");
  auto dry_run = std::make_shared<bool>(false);
  gc->add_flag("--dry-run", *dry_run, "Say what would go, free nothing");
  commands.on(gc, [dry_run](Context& context) {
    return context.show(context.post({"v1", "gc"}, {{"dry_run", *dry_run}}),
                        [&](const Doc& doc) { return render_gc(doc, context.style()); });
  });
}

void add_doctor(Commands& commands) {
  auto* doctor =
      commands.add("doctor", kGroup, "Is everything here that is needed?", "lockstep doctor");
  auto deep = std::make_shared<bool>(false);
  doctor->add_flag("--deep", *deep, "Read the bytes of every champion, not of some");
  commands.on(doctor, [deep](Context& context) {
    std::map<std::string, std::string> query;
    if (*deep) query["deep"] = "1";
    Json document = context.get({"v1", "doctor"}, query);
    return context.show(
        document, [&](const Doc& doc) { return render_doctor(doc, context.style()); },
        Doc(document).flag("ok") ? kExitDone : kExitFailed);
  });
}

void add_completion(Commands& commands) {
  auto* completion_command =
      commands.add("completion", kGroup, "Print a completion script for your shell",
                   "lockstep completion bash > /etc/bash_completion.d/lockstep\n"
                   "lockstep completion zsh > ~/.zfunc/_lockstep\n"
                   "lockstep completion fish > ~/.config/fish/completions/lockstep.fish");
  auto shell = std::make_shared<std::string>();
  completion_command->add_option("SHELL", *shell, "bash, zsh or fish")->required();
  commands.on(completion_command, [shell, &commands](Context& context) {
    std::string script = completion(commands.root(), *shell);
    return context.show(Json{{"shell", *shell}, {"script", script}},
                        [&](const Doc&) { return script; });
  });
}

}  // namespace

void add_workspace_commands(Commands& commands) {
  add_init(commands);
  add_check(commands);
  add_serve(commands);
  add_reload(commands);
  add_table_commands(commands);
  add_import(commands);
  add_gc(commands);
  add_backup_commands(commands);
  add_doctor(commands);
  add_completion(commands);
}

}  // namespace lockstep
