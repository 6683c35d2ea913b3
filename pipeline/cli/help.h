// --help of the program and of one command, drawn from the tree of commands.
// Knows nothing of what the commands do.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace lockstep {

std::string help_text(const CLI::App& app);
// "-f, --follow", "--to V": an option as it is typed.
std::string option_words(const CLI::Option& option);

}  // namespace lockstep
