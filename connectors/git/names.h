// Which names found inside a git tree may become paths of files, and the text for those that may
// not. Knows nothing of repositories.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/text.h"

namespace lockstep {

// Why one path component may not be used, or empty when it may. Refused: `.git` in every spelling
// that Linux, HFS+ (ignored code points) or NTFS (`git~1`, trailing dots and spaces, streams) reads
// as it, `.`, `..`, empty, '/' and '\', control characters, bytes that are not UTF-8, over 255
// bytes. (The rules of git's verify_path, read-cache.c, and is_hfs_dotgit, utf8.c.)
std::string unsafe_name(std::string_view component);

// Throws invalid when any component of the '/'-separated relative `path` is unsafe. `where` names
// the repository and commit.
void check_path(std::string_view path, std::string_view where);

// Where a symlink at `path` (relative, '/'-separated) with `target` points to, relative to the same
// root; throws denied when it is absolute, leaves the root, or has ".." after a name (which may be
// a link itself, so that ".." would not lead back to where the text says); invalid when a name is
// unsafe.
std::string link_destination(std::string_view path, std::string_view target,
                             std::string_view where);

// The same text where it is UTF-8; otherwise with '?' for every byte outside of ASCII. Authors and
// messages of commits may be in any encoding.
std::string as_utf8(std::string_view text);

// Those of `names` that a person who typed `wanted` may have meant, best first, at most `limit`,
// made printable.
std::vector<std::string> near_names(std::string_view wanted, const std::vector<std::string>& names,
                                    size_t limit = 5);

}  // namespace lockstep
