#include "pipeline/cli/cli.h"

#include <algorithm>
#include <numeric>
#include <string_view>

#include "pipeline/cli/commands.h"
#include "pipeline/cli/help.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

// Levenshtein (1966): how many letters to change, add or leave out.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t changed = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, changed}));
    }
  }
  return row[b.size()];
}

std::string nearest_command(const CLI::App& app, const std::string& word) {
  std::string best;
  size_t least = 3;
  for (const CLI::App* command : app.get_subcommands({})) {
    size_t far = distance(word.substr(0, 40), command->get_name());
    if (command->get_group().empty() && command->get_parent()->get_parent() == nullptr) continue;
    if (far < least) {
      least = far;
      best = command->get_name();
    }
  }
  return best;
}

const CLI::App& innermost(const CLI::App& root) {
  const CLI::App* at = &root;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return *at;
}

std::string full_name(const CLI::App& app) {
  return app.get_parent() ? full_name(*app.get_parent()) + " " + app.get_name() : "lockstep";
}

// CLI11's complaint in the house's words.
Error usage_error(const CLI::App& root, const CLI::ParseError& problem) {
  const CLI::App& at = innermost(root);
  auto rest = root.remaining(true);
  auto word = std::find_if(rest.begin(), rest.end(),
                           [](const std::string& one) { return one.rfind("-", 0) != 0; });
  std::string help = full_name(at) + " --help";
  bool needs_command = at.get_require_subcommand_min() > 0;
  if (needs_command && word == rest.end()) {
    return Error(ErrorCode::kInvalid, "which command? `" + full_name(at) + "` needs one", help);
  }
  if (needs_command) {
    std::string nearest = nearest_command(at, *word);
    std::string hint = nearest.empty() ? help : "did you mean `" + nearest + "`?";
    return Error(ErrorCode::kInvalid, "no command `" + cut(clean(*word), 60) + "`", hint);
  }
  if (!rest.empty()) {
    return Error(ErrorCode::kInvalid,
                 "`" + full_name(at) + "` takes no `" + cut(clean(rest.front()), 60) + "`", help);
  }
  return Error(ErrorCode::kInvalid, clean(problem.what()), help);
}

bool wants_json(int argc, const char* const* argv) {
  for (int i = 1; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    if (std::string_view(argv[i]) == "--json") return true;
  }
  return false;
}

void add_globals(CLI::App& root, Context& context) {
  root.set_help_flag("-h,--help", "Print help, also for one command");
  root.set_version_flag("--version", std::string("lockstep ") + LOCKSTEP_VERSION,
                        "Print the version");
  root.add_option("-C", context.folder_option, "Work in this folder instead of the current one")
      ->type_name("DIR")
      ->take_last();
  root.add_flag("--json", context.json, "Print one JSON document");
  root.add_flag("--no-pager", context.no_pager, "Print long answers without a pager");
  root.footer(
      "lockstep check && lockstep plan\nlockstep run\nlockstep why intent-client-3\n"
      "lockstep rollback intent-client-3 --reason \"wrong labels\"");
  root.require_subcommand(1, 1);
  root.formatter(std::make_shared<CLI::FormatterLambda>(
      [](const CLI::App* app, const std::string&, CLI::AppFormatMode) { return help_text(*app); }));
}

int parse_and_act(int argc, const char* const* argv, CLI::App& root, const Commands& commands,
                  Context& context) {
  try {
    root.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    context.out() << root.help();
    return kExitDone;
  } catch (const CLI::CallForVersion& version) {
    context.out() << version.what() << "\n";
    return kExitDone;
  } catch (const CLI::ParseError& problem) {
    context.json = wants_json(argc, argv);
    if (argc == 1) context.err() << root.help() << "\n";
    return context.print_error(usage_error(root, problem));
  }
  return commands.act(context);
}

int guarded(int argc, const char* const* argv, CLI::App& root, const Commands& commands,
            Context& context) {
  try {
    return parse_and_act(argc, argv, root, commands, context);
  } catch (const Error& error) {
    return context.print_error(error);
  } catch (const std::exception& error) {
    return context.print_error(
        Error(ErrorCode::kCorrupt, std::string("unexpected failure: ") + error.what(),
              "this is a defect of lockstep: please report it with the command you gave"));
  }
}

}  // namespace

CLI::App* Commands::add(const std::string& name, const std::string& group,
                        const std::string& summary, const std::string& examples, CLI::App* parent) {
  auto* command = (parent ? parent : &root_)->add_subcommand(name, summary);
  command->group(parent ? "Commands" : group)->fallthrough()->footer(examples);
  return command;
}

int Commands::act(Context& context) const {
  return actions_.at(&innermost(root_))(context);
}

void Moving::add_to(CLI::App* command, bool reason_needed) {
  command->add_option("--reason", reason, "Why, for the record")
      ->type_name("TEXT")
      ->required(reason_needed);
  command->add_flag("--dry-run", dry_run, "Say what would happen, do nothing");
}

Json Moving::body() const {
  return {{"reason", reason}, {"dry_run", dry_run}};
}

int Moving::post(Context& context, const std::vector<std::string>& path, const Json& fields,
                 Render render) const {
  Json whole = body();
  whole.update(fields);
  return context.show(context.post(path, whole),
                      [&](const Doc& doc) { return render(doc, context.style(), dry_run); });
}

int run_cli(int argc, const char* const* argv, const CliEnvironment& environment) {
  CLI::App root("Retrains exactly the models whose rows or code changed.", "lockstep");
  Commands commands(root);
  Context context(environment);
  add_globals(root, context);
  add_work_commands(commands);
  add_gate_commands(commands);
  add_experiment_commands(commands);
  add_model_commands(commands);
  add_release_commands(commands);
  add_ledger_commands(commands);
  add_access_commands(commands);
  add_hook_commands(commands);
  add_workspace_commands(commands);
  int code = guarded(argc, argv, root, commands, context);
  context.out().flush();
  if (!context.out().good()) {
    context.err() << "error: can't write the output\n  hint: is the disk full, or the pipe "
                     "closed?\n";
    return code == kExitDone ? kExitUnavailable : code;
  }
  return code;
}

}  // namespace lockstep
