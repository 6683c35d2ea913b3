// Completion scripts, made from the tree of commands: they can't name what is not there.
#include <CLI/Option.hpp>

#include "pipeline/cli/commands.h"
#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

struct Word {
  std::string name, help;
};

// What can follow "lockstep run": its commands and its options.
struct Place {
  std::string path;  // "/run"; the root is ""
  std::vector<Word> commands, options;
};

// Those of one place; what may stand everywhere is added where it is drawn.
std::vector<Word> options_of(const CLI::App& app) {
  std::vector<Word> out;
  for (const CLI::Option* option : app.get_options()) {
    bool everywhere =
        option->check_lname("help") || option->check_lname("json") || option->check_sname("C");
    if (everywhere) continue;

    for (const auto& name : option->get_lnames()) {
      out.push_back({"--" + name, option->get_description()});
    }
    for (const auto& name : option->get_snames()) {
      out.push_back({"-" + name, option->get_description()});
    }
  }
  return out;
}

void collect(const CLI::App& app, const std::string& path, std::vector<Place>& places) {
  size_t at = places.size();
  places.push_back({path, {}, options_of(app)});
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_group().empty()) continue;  // not supported yet
    places[at].commands.push_back({command->get_name(), command->get_description()});
    collect(*command, path + "/" + command->get_name(), places);
  }
  if (path == "/completion") {
    for (const char* shell : {"bash", "zsh", "fish"}) places[at].commands.push_back({shell, ""});
  }
}

std::string known_paths(const std::vector<Place>& places) {
  std::vector<std::string> paths;
  for (const Place& place : places) {
    if (!place.path.empty()) paths.push_back(place.path);
  }
  return join(paths, "|");
}

std::string names(const std::vector<Word>& words) {
  std::string out;
  for (const Word& word : words) out += (out.empty() ? "" : " ") + word.name;
  return out;
}

std::string bash(const std::vector<Place>& places) {
  std::string out =
      "# lockstep completion for bash; made by `lockstep completion bash`\n"
      "_lockstep() {\n"
      "  local place= words= i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case \"$place/${COMP_WORDS[i]}\" in\n      " +
      known_paths(places) +
      ") place=\"$place/${COMP_WORDS[i]}\" ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"$place\" in\n";
  for (const Place& place : places) {
    std::string words = names(place.commands);
    std::string options = names(place.options);
    if (!words.empty() && !options.empty()) words += " ";
    out += "    \"" + place.path + "\") words=\"" + words + options + "\" ;;\n";
  }
  return out +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words --help --json --no-pager -C\" -- "
         "\"${COMP_WORDS[COMP_CWORD]}\"))\n"
         "}\n"
         "complete -o default -F _lockstep lockstep\n";
}

std::string zsh_words(const std::vector<Word>& words) {
  std::string out;
  for (const Word& word : words) {
    std::string text = word.name;
    if (!word.help.empty()) text += ":" + word.help;
    out += " " + shell_word(text);
  }
  return out;
}

std::string zsh(const std::vector<Place>& places) {
  std::string out =
      "#compdef lockstep\n"
      "# lockstep completion for zsh; made by `lockstep completion zsh`\n"
      "_lockstep() {\n"
      "  local place= i\n"
      "  local -a commands options\n"
      "  for ((i = 2; i < CURRENT; i++)); do\n"
      "    case \"$place/${words[i]}\" in\n      " +
      known_paths(places) +
      ") place=\"$place/${words[i]}\" ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"$place\" in\n";
  for (const Place& place : places) {
    out += "    \"" + place.path + "\")\n      commands=(" + zsh_words(place.commands) +
           " )\n      options=(" + zsh_words(place.options) + " ) ;;\n";
  }
  return out +
         "  esac\n"
         "  options+=('--help:Print help' '--json:Print one JSON document' '--no-pager:Print "
         "without a pager' '-C:Work in this "
         "folder')\n"
         "  (( $#commands )) && _describe command commands\n"
         "  _describe -o option options\n"
         "  (( $#commands )) || _files\n"
         "}\n"
         "compdef _lockstep lockstep\n";
}

// True where exactly this place was reached.
std::string fish_condition(const Place& place) {
  if (place.path.empty()) return "__fish_use_subcommand";
  std::string condition;
  std::string_view rest = place.path;
  while (!rest.empty()) {
    size_t end = rest.find('/', 1);
    std::string word(rest.substr(1, end == std::string_view::npos ? end : end - 1));
    condition += (condition.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + word);
    rest = end == std::string_view::npos ? "" : rest.substr(end);
  }
  if (place.commands.empty()) return condition;
  return condition + "; and not __fish_seen_subcommand_from " + names(place.commands);
}

std::string fish(const std::vector<Place>& places) {
  std::string out = "# lockstep completion for fish; made by `lockstep completion fish`\n";
  for (const Place& place : places) {
    std::string start = "complete -c lockstep -n " + shell_word(fish_condition(place));
    for (const Word& word : place.commands) {
      out += start + " -f -a " + word.name + " -d " + shell_word(word.help) + "\n";
    }
    for (const Word& word : place.options) {
      bool is_long = word.name.rfind("--", 0) == 0;
      out += start + (is_long ? " -l " + word.name.substr(2) : " -s " + word.name.substr(1)) +
             " -d " + shell_word(word.help) + "\n";
    }
  }
  return out +
         "complete -c lockstep -l help -d 'Print help'\n"
         "complete -c lockstep -l json -d 'Print one JSON document'\n"
         "complete -c lockstep -s C -r -d 'Work in this folder'\n";
}

}  // namespace

std::string completion(const CLI::App& root, const std::string& shell) {
  std::vector<Place> places;
  collect(root, "", places);
  if (shell == "bash") return bash(places);
  if (shell == "zsh") return zsh(places);
  if (shell == "fish") return fish(places);
  throw Error(ErrorCode::kInvalid, "no completion for `" + clean(shell) + "`",
              "there is one for bash, zsh and fish");
}

}  // namespace lockstep
