#include "pipeline/cli/help.h"

#include <algorithm>
#include <cctype>

#include "pipeline/cli/table.h"

namespace lockstep {
namespace {

std::string name_of(const CLI::App& app) {
  return app.get_parent() ? name_of(*app.get_parent()) + " " + app.get_name() : app.get_name();
}

std::string usage(const CLI::App& app) {
  std::string out = "Usage: " + name_of(app);
  if (app.get_require_subcommand_min() > 0) return out + " COMMAND [OPTIONS]\n";
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) continue;
    std::string name = option->get_name(true);
    if (option->get_expected_max() > 1) name += "…";
    out += option->get_required() ? " " + name : " [" + name + "]";
  }
  return out + " [OPTIONS]\n";  // every command has --help
}

std::string section(const std::string& title, const Table& table) {
  return table.empty() ? "" : "\n" + title + ":\n" + table.text();
}

std::string options(const CLI::App& app, bool positional) {
  Table table(Style{}, {"", ""}, "  ");
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional() != positional) continue;
    std::string text = option->get_description();
    if (!positional && option->get_required()) text += " (needed)";
    table.row({positional ? option->get_name(true) : option_words(*option), text});
  }
  return section(positional ? "Arguments" : "Options", table);
}

std::string commands(const CLI::App& app) {
  std::vector<std::string> groups;
  for (const CLI::App* command : app.get_subcommands({})) {
    std::string group = command->get_group();
    bool seen = std::find(groups.begin(), groups.end(), group) != groups.end();
    if (!group.empty() && !seen) groups.push_back(group);
  }
  std::string out;
  for (const std::string& group : groups) {
    Table table(Style{}, {"", ""}, "  ");
    for (const CLI::App* command : app.get_subcommands({})) {
      if (command->get_group() != group) continue;
      std::string name = command->get_name();
      name.resize(std::max<size_t>(name.size(), 14), ' ');
      table.row({name, command->get_description()});
    }
    out += section(group, table);
  }
  return out;
}

std::string examples(const CLI::App& app) {
  std::string text = app.get_footer();
  if (text.empty()) return "";
  std::string out = "\nExamples:\n  ";
  for (char c : text) out += c == '\n' ? std::string("\n  ") : std::string(1, c);
  return out + "\n";
}

}  // namespace

std::string option_words(const CLI::Option& option) {
  std::string out;
  for (const std::string& name : option.get_snames()) out += (out.empty() ? "-" : ", -") + name;
  for (const std::string& name : option.get_lnames()) out += (out.empty() ? "--" : ", --") + name;
  if (option.get_type_size() == 0) return out;
  std::string value = option.get_type_name();
  value = value.substr(0, value.find(':'));  // a validator's own words are left out
  bool plain = value == "TEXT" && !option.get_lnames().empty();
  if (plain && option.get_lnames()[0] != "reason" && option.get_lnames()[0] != "text") {
    value = option.get_lnames()[0];
    for (char& c : value) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out + " " + value;
}

std::string help_text(const CLI::App& app) {
  std::string out = usage(app) + "\n" + app.get_description() + "\n";
  out += options(app, true) + commands(app) + options(app, false);
  if (app.get_parent()) {
    out += "\nEverywhere: -C DIR works in that folder, --json prints one JSON document.\n";
  }
  return out + examples(app);
}

}  // namespace lockstep
