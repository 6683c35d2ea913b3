// What a user got wrong in files, collected so that everything is said at once, in file order.
// Knows nothing of YAML or of what the files mean.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/error.h"

namespace lockstep {

// A place in a text file. Line and column begin at 1; the column counts bytes, as compilers do.
struct Place {
  std::string file;
  int line = 1;
  int column = 1;

  std::string str() const;  // "workflows/intents.yaml:12:7"
};

// Reads "file:line:column" back; a text of another form stays whole as the file.
Place parse_place(const std::string& where);

class Diagnostics {
 public:
  // Both keep the place in Error::where. After 200 of a kind the rest is only counted.
  void error(const Place& place, std::string message, std::string hint = "");
  void warn(const Place& place, std::string message, std::string hint = "");
  // Takes over an error thrown elsewhere, its own `where` included.
  void add(const Error& error);
  // Takes over all of `other`.
  void merge(const Diagnostics& other);

  bool ok() const { return errors_.empty(); }
  // Sorted by file, line and column; equal messages at one place appear once.
  std::vector<Error> errors() const;
  std::vector<Error> warnings() const;
  // Throws Errors when there is at least one error.
  void throw_if_any() const;

 private:
  struct Item {
    Place place;
    Error error;
  };
  static void keep(std::vector<Item>& items, size_t& dropped, Item item);
  static std::vector<Error> sorted(const std::vector<Item>& items, size_t dropped);

  std::vector<Item> errors_;
  std::vector<Item> warnings_;
  size_t dropped_errors_ = 0;
  size_t dropped_warnings_ = 0;
};

// The candidate closest to `word` (optimal string alignment distance: insertion, deletion,
// substitution, swap of neighbours), or "" when none is within a third of the word's length.
std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates);

// `did you mean "registers"?`, or "" when nothing is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

// Text from a file made fit for a message: control characters as \xNN, cut after 60 bytes.
std::string shown(std::string_view text);

}  // namespace lockstep
