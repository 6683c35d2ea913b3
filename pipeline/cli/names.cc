// compress_names() of text.h.
#include <algorithm>
#include <cctype>
#include <map>
#include <optional>

#include "pipeline/cli/text.h"

namespace lockstep {
namespace {

struct Piece {
  std::string text;
  size_t names = 0;
};

// A name around its last number: "train[client=client-", 3, "]".
struct Stem {
  std::string before, after;
  std::optional<int64_t> number;
};

bool digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c));
}

Stem split(const std::string& name) {
  size_t end = name.size();
  while (end > 0 && !digit(name[end - 1])) --end;
  size_t begin = end;
  while (begin > 0 && digit(name[begin - 1])) --begin;
  size_t count = end - begin;
  // Leading zeros would be lost, and more digits than a number holds are an id, not a count.
  if (count == 0 || count > 18 || (count > 1 && name[begin] == '0')) return {name, "", {}};
  return {name.substr(0, begin), name.substr(end), std::stoll(name.substr(begin, count))};
}

struct Group {
  Stem stem;
  std::vector<int64_t> numbers;
};

std::vector<Group> grouped(const std::vector<std::string>& names) {
  std::vector<Group> groups;
  std::map<std::pair<std::string, std::string>, size_t> at;
  for (const std::string& name : names) {
    Stem stem = split(name);
    // A NUL can't be in a name: numbered and plain names never share a group.
    auto key = std::pair(stem.before, stem.number ? stem.after : std::string(1, '\0'));
    auto [found, added] = at.emplace(key, groups.size());
    if (added) groups.push_back({stem, {}});
    if (stem.number) groups[found->second].numbers.push_back(*stem.number);
  }
  for (Group& group : groups) {
    std::sort(group.numbers.begin(), group.numbers.end());
    auto end = std::unique(group.numbers.begin(), group.numbers.end());
    group.numbers.erase(end, group.numbers.end());
  }
  return groups;
}

// "1 … 3", "5", "7", "8": ranges of three and more.
std::vector<Piece> ranges(const std::vector<int64_t>& numbers) {
  std::vector<Piece> out;
  for (size_t i = 0; i < numbers.size();) {
    size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    if (end - i < 3) end = i + 1;
    std::string text = std::to_string(numbers[i]);
    if (end - i > 1) text += " … " + std::to_string(numbers[end - 1]);
    out.push_back({text, end - i});
    i = end;
  }
  return out;
}

// Where a stem goes on after the number, its group is one piece: "train[client=client-1 … 3, 5]".
void add_pieces(const Group& group, std::vector<Piece>& pieces) {
  if (!group.stem.number) return pieces.push_back({group.stem.before, 1});
  auto parts = ranges(group.numbers);
  if (group.stem.after.empty()) {
    parts.front().text = group.stem.before + parts.front().text;
    pieces.insert(pieces.end(), parts.begin(), parts.end());
    return;
  }
  std::vector<std::string> texts;
  for (const Piece& part : parts) texts.push_back(part.text);
  pieces.push_back(
      {group.stem.before + join(texts, ", ") + group.stem.after, group.numbers.size()});
}

}  // namespace

std::string compress_names(const std::vector<std::string>& names, size_t columns) {
  std::vector<Piece> pieces;
  size_t left = 0;
  for (const Group& group : grouped(names)) add_pieces(group, pieces);
  for (const Piece& piece : pieces) left += piece.names;
  std::string out;
  for (size_t i = 0; i < pieces.size(); ++i) {
    std::string next = (i ? ", " : "") + pieces[i].text;
    left -= pieces[i].names;
    std::string rest = left ? ", and " + thousands(static_cast<int64_t>(left)) + " more" : "";
    if (columns && i && width(out + next + rest) > columns) {
      return out + ", and " + thousands(static_cast<int64_t>(left + pieces[i].names)) + " more";
    }
    out += next;
  }
  return columns ? cut(out, columns) : out;
}

}  // namespace lockstep
