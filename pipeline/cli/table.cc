#include "pipeline/cli/table.h"

#include <algorithm>

#include "pipeline/cli/text.h"

namespace lockstep {

std::string Style::paint(std::string_view sequence, std::string_view text) const {
  if (!colour || text.empty()) return std::string(text);
  return "\x1b[" + std::string(sequence) + "m" + std::string(text) + "\x1b[0m";
}

std::string transcript_line(const Style& style, std::string_view label, std::string_view left,
                            std::string_view right, size_t labels) {
  std::string line = style.bold(label);
  if (!left.empty() || !right.empty()) {
    line = pad(line, std::max(labels, width(label) + 1)) + std::string(left);
  }
  if (!right.empty()) {
    line = pad(line, std::max(kRightColumn, width(line) + 2)) + std::string(right);
  }
  return line + "\n";
}

Table::Table(const Style& style, std::vector<std::string> headings, std::string indent)
    : style_(style), headings_(std::move(headings)), indent_(std::move(indent)) {
  for (std::string& heading : headings_) {
    right_.push_back(!heading.empty() && heading[0] == '>');
    if (right_.back()) heading.erase(0, 1);
  }
}

void Table::row(std::vector<std::string> cells) {
  cells.resize(headings_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::line(const std::vector<std::string>& cells,
                        const std::vector<size_t>& widths) const {
  std::string out = indent_;
  size_t last = cells.size();
  while (last > 0 && cells[last - 1].empty()) --last;
  for (size_t i = 0; i < last; ++i) {
    if (widths[i] == 0) continue;  // a column without anything in it
    bool end = i + 1 == last;
    out += right_[i] ? pad_left(cells[i], widths[i]) : pad(cells[i], end ? 0 : widths[i]);
    if (!end) out += "   ";
  }
  return out + "\n";
}

std::string Table::text() const {
  if (rows_.empty()) return "";
  std::vector<size_t> widths(headings_.size(), 0);
  for (const auto& cells : rows_) {
    for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], width(cells[i]));
  }
  std::vector<std::string> heads = headings_;
  bool headed = false;
  for (size_t i = 0; i < heads.size(); ++i) {
    if (widths[i] == 0) heads[i].clear();
    headed |= !heads[i].empty();
    widths[i] = std::max(widths[i], width(heads[i]));
    heads[i] = style_.dim(heads[i]);
  }
  std::string out = headed ? line(heads, widths) : "";
  for (const auto& cells : rows_) out += line(cells, widths);
  return out;
}

}  // namespace lockstep
