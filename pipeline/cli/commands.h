// The commands as CLI11 sees them: each file of commands adds its own to the tree.
// Knows nothing of how arguments are parsed or errors printed. Included by the commands only
// (it drags in CLI11).
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>
#include <map>
#include <string>

#include "pipeline/cli/context.h"

namespace lockstep {

class Commands {
 public:
  using Action = std::function<int(Context&)>;

  explicit Commands(CLI::App& root) : root_(root) {}

  CLI::App& root() { return root_; }
  // Under the root, or under `parent`; `examples` are lines for its --help.
  CLI::App* add(const std::string& name, const std::string& group, const std::string& summary,
                const std::string& examples = "", CLI::App* parent = nullptr);
  void on(CLI::App* command, Action action) { actions_[command] = std::move(action); }
  // Runs the innermost command that was given.
  int act(Context& context) const;

 private:
  CLI::App& root_;
  std::map<const CLI::App*, Action> actions_;
};

// What moves something: --reason and --dry-run.
struct Moving {
  std::string reason;
  bool dry_run = false;

  void add_to(CLI::App* command, bool reason_needed = false);
  Json body() const;  // {"reason","dry_run"}
  // Posts `fields` together with these and shows the answer.
  using Render = std::string (*)(const Doc& answer, const Style& style, bool dry_run);
  int post(Context& context, const std::vector<std::string>& path, const Json& fields,
           Render render) const;
};

void add_work_commands(Commands& commands);  // plan, run, status, logs, …
void add_gate_commands(Commands& commands);
void add_experiment_commands(Commands& commands);  // previews, trigger, promote
void add_workspace_commands(Commands& commands);   // init, check, serve, …
void add_backup_commands(Commands& commands);
void add_table_commands(Commands& commands);  // tables, diff
void add_model_commands(Commands& commands);
void add_release_commands(Commands& commands);
void add_ledger_commands(Commands& commands);  // adopt; of `model` and `release` what is recorded
void add_access_commands(Commands& commands);
void add_hook_commands(Commands& commands);

// A completion script made from the tree; `shell` is bash, zsh or fish, else invalid is thrown.
std::string completion(const CLI::App& root, const std::string& shell);

}  // namespace lockstep
