// Colours and columns: aligned tables and the labelled lines of a transcript.
// Knows nothing of what is in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// Paints only where colours are wanted.
struct Style {
  bool colour = false;

  std::string paint(std::string_view sequence, std::string_view text) const;
  std::string bold(std::string_view text) const { return paint("1", text); }
  std::string dim(std::string_view text) const { return paint("2", text); }
  std::string red(std::string_view text) const { return paint("31", text); }
  std::string green(std::string_view text) const { return paint("32", text); }
  std::string yellow(std::string_view text) const { return paint("33", text); }
};

// Column at which the right part of a transcript line starts.
inline constexpr size_t kRightColumn = 47;

// "plan   9 steps: 1 to run, 8 current            utterances[client=client-3]: 12 rows changed\n":
// label from column 0, left from column `labels` or a space behind, right from column 47 or two
// spaces behind.
std::string transcript_line(const Style& style, std::string_view label, std::string_view left,
                            std::string_view right = "", size_t labels = 7);

// Rows of cells, each column as wide as its widest cell, three spaces between, no space at the end
// of a line. A column is right-aligned where its heading starts with '>'.
class Table {
 public:
  // Headings may be all empty: then none are printed.
  Table(const Style& style, std::vector<std::string> headings, std::string indent = "");
  void row(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // With a trailing line feed; nothing where there are no rows.
  std::string text() const;

 private:
  std::string line(const std::vector<std::string>& cells, const std::vector<size_t>& widths) const;

  Style style_;
  std::vector<std::string> headings_;
  std::vector<bool> right_;
  std::string indent_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace lockstep
