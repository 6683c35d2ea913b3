#include "connectors/git/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <numeric>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"

namespace lockstep {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Code points that HFS+ leaves out when it compares names (git: utf8.c, next_hfs_char).
bool hfs_ignores(char32_t point) {
  return (point >= 0x200c && point <= 0x200f) || (point >= 0x202a && point <= 0x202e) ||
         (point >= 0x206a && point <= 0x206f) || point == 0xfeff;
}

// All ignored code points are three bytes long in UTF-8; `name` is valid UTF-8.
std::string as_hfs_sees(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    const auto lead = static_cast<unsigned char>(name[i]);
    if ((lead & 0xf0) == 0xe0 && i + 2 < name.size()) {
      const char32_t point = static_cast<char32_t>((lead & 0x0f) << 12) |
                             static_cast<char32_t>((name[i + 1] & 0x3f) << 6) |
                             static_cast<char32_t>(name[i + 2] & 0x3f);
      if (hfs_ignores(point)) {
        i += 2;
        continue;
      }
    }
    out.push_back(name[i]);
  }
  return lower(out);
}

std::string as_ntfs_sees(std::string_view name) {
  name = name.substr(0, name.find(':'));
  while (!name.empty() && (name.back() == '.' || name.back() == ' ')) name.remove_suffix(1);
  return lower(name);
}

bool has_control(std::string_view name) {
  for (size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    if (c < 0x20 || c == 0x7f) return true;
    // U+0080 … U+009F: terminals obey these too.
    if (c == 0xc2 && i + 1 < name.size() && static_cast<unsigned char>(name[i + 1]) < 0xa0) {
      return true;
    }
  }
  return false;
}

// The components of a path, without empty ones and ".".
std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (!part.empty() && part != ".") parts.push_back(part);
    begin = end + 1;
  }
  return parts;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::string unsafe_name(std::string_view component) {
  if (component.empty()) return "an empty name";
  if (component == "." || component == "..") return "a name that means a folder itself";
  if (component.size() > 255) return "a name longer than 255 bytes";
  if (!valid_utf8(component)) return "a name that is not UTF-8";
  if (has_control(component)) return "a name with control characters";
  if (component.find_first_of("/\\") != component.npos) return "a name with a slash inside";
  const std::string ntfs = as_ntfs_sees(component);
  if (as_hfs_sees(component) == ".git" || ntfs == ".git" || ntfs == "git~1") {
    return "a name that git's own folder has on some file system";
  }
  return "";
}

void check_path(std::string_view path, std::string_view where) {
  size_t begin = 0;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string reason = unsafe_name(path.substr(begin, end - begin));
    if (!reason.empty()) {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("refused path \"{}\": {}", printable(path), reason),
                  "rename it in the repository", std::string(where));
    }
    begin = end + 1;
  }
}

std::string link_destination(std::string_view path, std::string_view target,
                             std::string_view where) {
  const auto leaves = [&] {
    return Error(ErrorCode::kDenied,
                 fmt::format("refused symlink \"{}\": \"{}\" may lead out of the exported folder",
                             printable(path), printable(target)),
                 "commit the file itself, or leave the link out of the declared paths",
                 std::string(where));
  };
  if (target.empty() || target.front() == '/') throw leaves();
  std::vector<std::string_view> parts = split(path);
  parts.pop_back();
  bool went_down = false;
  for (std::string_view part : split(target)) {
    if (part != "..") {
      parts.push_back(part);
      went_down = true;
    } else if (parts.empty() || went_down) {
      throw leaves();
    } else {
      parts.pop_back();
    }
  }
  std::string out;
  for (std::string_view part : parts) out.append(out.empty() ? "" : "/").append(part);
  if (!out.empty()) check_path(out, where);
  return out;
}

std::string as_utf8(std::string_view text) {
  std::string out(text);
  if (valid_utf8(text)) return out;
  for (char& c : out) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return out;
}

std::vector<std::string> near_names(std::string_view wanted, const std::vector<std::string>& names,
                                    size_t limit) {
  std::vector<std::pair<size_t, std::string>> found;
  const std::string folded = lower(wanted.substr(0, 255));
  for (const std::string& name : names) {
    if (name.size() > 255) continue;
    const std::string other = lower(name);
    const bool inside = folded.size() >= 3 && other.find(folded) != other.npos;
    const size_t distance = inside ? 1 : edit_distance(folded, other);
    if (distance <= std::max<size_t>(2, folded.size() / 3)) found.emplace_back(distance, name);
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> out;
  for (size_t i = 0; i < std::min(limit, found.size()); ++i)
    out.push_back(printable(found[i].second));
  return out;
}

}  // namespace lockstep
