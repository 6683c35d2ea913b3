#include "connectors/git_repo/globs.h"

#include <fmt/format.h>

#include "connectors/git/names.h"
#include "pipeline/base/error.h"

namespace lockstep {
namespace {

constexpr size_t kMaxPatterns = 1000;
constexpr size_t kMaxPatternBytes = 1000;

[[noreturn]] void bad_glob(std::string_view text, std::string_view why, std::string_view hint) {
  throw Error(ErrorCode::kInvalid, fmt::format("path \"{}\" {}", printable(text), why),
              std::string(hint));
}

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// One character of UTF-8 on from `at`.
size_t step(std::string_view text, size_t at) {
  ++at;
  while (at < text.size() && (text[at] & 0xc0) == 0x80) ++at;
  return at;
}

// '*' and '?' within one segment: greedy, going back to the last '*' only, so at most
// |pattern| · |text| steps.
bool segment_matches(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = pattern.npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == '?') {
      ++p;
      t = step(text, t);
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// For each count k of leading pattern segments: can they match exactly `path`? Dynamic programming,
// so that many "**" cost |pattern| · |path| and not more.
std::vector<bool> prefixes_matching(const std::vector<std::string>& pattern,
                                    const std::vector<std::string_view>& path) {
  std::vector<bool> now(pattern.size() + 1, false);
  now[0] = true;
  for (size_t k = 0; k < pattern.size() && pattern[k] == "**"; ++k) now[k + 1] = true;
  for (const std::string_view part : path) {
    std::vector<bool> next(pattern.size() + 1, false);
    for (size_t k = 0; k < pattern.size(); ++k) {
      if (pattern[k] == "**") {
        next[k + 1] = now[k + 1] || now[k] || next[k];
      } else {
        next[k + 1] = now[k] && segment_matches(pattern[k], part);
      }
    }
    now = std::move(next);
  }
  return now;
}

}  // namespace

PathGlobs::PathGlobs(const std::vector<std::string>& patterns) {
  if (patterns.size() > kMaxPatterns) {
    throw Error(ErrorCode::kInvalid, fmt::format("more than {} paths", kMaxPatterns));
  }
  for (const std::string& text : patterns) patterns_.push_back(parse(text));
  if (!patterns_.empty() && patterns_.front().exclude) {
    bad_glob(patterns.front(), "excludes from nothing", "name what to take first");
  }
}

PathGlobs::Pattern PathGlobs::parse(std::string_view text) {
  const std::string_view whole = text;
  Pattern out;
  if (text.substr(0, 1) == "!") {
    out.exclude = true;
    text.remove_prefix(1);
  }
  if (text.substr(0, 2) == "./") text.remove_prefix(1);
  if (text.substr(0, 1) == "/") text.remove_prefix(1);
  if (!text.empty() && text.back() == '/') {
    out.folder_only = true;
    text.remove_suffix(1);
  }
  if (text.empty() || whole.size() > kMaxPatternBytes) {
    bad_glob(whole, "selects nothing that can be named", "** takes everything");
  }
  if (text.find_first_of("[]{}\\") != text.npos) {
    bad_glob(whole, "has a character that globs use for more than is supported",
             "supported are *, ?, ** and a leading !");
  }
  for (const std::string_view part : split(text)) {
    if (part.empty() || part == "." || part == "..") {
      bad_glob(whole, "has an empty segment or one that means a folder itself",
               "paths are relative to the root of the repository");
    }
    if (part.find("**") != part.npos && part != "**") {
      bad_glob(whole, "has ** beside other characters", "** stands alone between slashes");
    }
    out.segments.emplace_back(part);
  }
  out.and_below = out.folder_only || out.segments.back().find_first_of("*?") == text.npos;
  return out;
}

bool PathGlobs::matches(const Pattern& pattern, const std::vector<std::string_view>& path) {
  if (!pattern.folder_only && prefixes_matching(pattern.segments, path).back()) return true;
  if (!pattern.and_below) return false;
  std::vector<std::string_view> folder = path;
  while (folder.size() > 1) {
    folder.pop_back();
    if (prefixes_matching(pattern.segments, folder).back()) return true;
  }
  return false;
}

bool PathGlobs::reaches(const Pattern& pattern, const std::vector<std::string_view>& folder) {
  const std::vector<bool> prefixes = prefixes_matching(pattern.segments, folder);
  for (size_t k = 0; k < pattern.segments.size(); ++k) {
    if (prefixes[k]) return true;  // segments are left for what is below
  }
  if (prefixes.back() && (pattern.and_below || pattern.segments.back() == "**")) return true;
  return pattern.and_below && matches(pattern, folder);
}

bool PathGlobs::matches(std::string_view path) const {
  const std::vector<std::string_view> parts = split(path);
  for (size_t i = patterns_.size(); i-- > 0;) {
    if (matches(patterns_[i], parts)) return !patterns_[i].exclude;
  }
  return false;
}

bool PathGlobs::may_enter(std::string_view folder) const {
  const std::vector<std::string_view> parts = split(folder);
  for (const Pattern& pattern : patterns_) {
    if (!pattern.exclude && reaches(pattern, parts)) return true;
  }
  return false;
}

}  // namespace lockstep
