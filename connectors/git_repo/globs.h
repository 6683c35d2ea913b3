// Which paths a list of globs selects. Knows nothing of git or of files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// Patterns are matched from the root, segment by segment, as the path filters of GitHub Actions:
//   train/a.py   that file; a last segment without wildcards also selects all below it, so `train`
//                and `train/` are the whole folder (with the slash: only if it is a folder)
//   *  ?         any run of bytes, or one character, within one segment: `*.py` is the root only
//   **           a whole segment: any number of folders, also none: `**/*.py`, `train/**`
//   !pattern     takes away what earlier patterns selected; the last that matches decides
// A leading "./" or "/" is ignored. `[`, `]`, `{`, `}` and `\` are refused: they mean other things
// elsewhere. So is "..", "**" beside other characters, and a list that begins with "!".
class PathGlobs {
 public:
  // Throws invalid, naming the pattern.
  explicit PathGlobs(const std::vector<std::string>& patterns);

  // `path` of a file, '/'-separated, without a leading slash.
  bool matches(std::string_view path) const;
  // False when nothing below `folder` can match, so that it need not be read.
  bool may_enter(std::string_view folder) const;

 private:
  struct Pattern {
    std::vector<std::string> segments;
    bool exclude = false;
    bool and_below = false;    // the last segment has no wildcard
    bool folder_only = false;  // written with a slash at its end
  };
  static Pattern parse(std::string_view text);
  static bool matches(const Pattern& pattern, const std::vector<std::string_view>& path);
  static bool reaches(const Pattern& pattern, const std::vector<std::string_view>& folder);

  std::vector<Pattern> patterns_;
};

}  // namespace lockstep
