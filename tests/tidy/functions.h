// Finds the functions of a source file and how long each is.
// Knows nothing of limits, and of C++ only what braces and the text before them tell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockstep::tidy {

struct FunctionSpan {
  std::string head;  // its first line
  int first_line = 0;
  int lines = 0;  // from the first line of its head to the closing brace
};

// Comments, literals and preprocessor lines blanked out; newlines and lengths stay.
std::string blank_cpp(std::string_view text);

std::vector<FunctionSpan> cpp_functions(std::string_view text);
// `name() {` … `}` at the left margin.
std::vector<FunctionSpan> bash_functions(std::string_view text);
// `def` to the next line that is not indented deeper.
std::vector<FunctionSpan> python_functions(std::string_view text);

}  // namespace lockstep::tidy
