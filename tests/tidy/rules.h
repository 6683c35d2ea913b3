// The house rules as checks over a tree: each returns all that breaks it.
// Knows nothing of which tree it is; the tables are in house.h.
#pragma once

#include "tests/tidy/tree.h"

namespace lockstep::tidy {

Violations check_top_level(const Tree& tree);  // nothing new beside the seven folders
Violations check_includes(const Tree& tree);   // rooms include what the table allows
Violations check_absences(const Tree& tree);   // words that a folder may not hold
Violations check_functions(const Tree& tree);  // length of functions
Violations check_files(const Tree& tree);      // length of files and lines, tabs, line ends
Violations check_headers(const Tree& tree);    // opening sentence, #pragma once
Violations check_built(const Tree& tree);      // every .cc is built, every room has its place
Violations check_documents(const Tree& tree);  // every page is reached, no link leads nowhere
Violations check_points(const Tree& tree);     // labels are single, and the torture has them
Violations check_own_words(const Tree& tree);  // no machine's paths, no open ends, no odd names

}  // namespace lockstep::tidy
