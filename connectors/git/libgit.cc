#include "connectors/git/libgit.h"

#include <fmt/format.h>

#include <mutex>

#include "connectors/git/names.h"
#include "pipeline/base/error.h"

namespace lockstep {
namespace {

ErrorCode code_of(int code, int klass) {
  if (code == GIT_ENOTFOUND) return ErrorCode::kNotFound;
  if (code == GIT_EINVALIDSPEC || code == GIT_EAMBIGUOUS) return ErrorCode::kInvalid;
  if (code == GIT_EEXISTS || code == GIT_ELOCKED || code == GIT_EMODIFIED) {
    return ErrorCode::kConflict;
  }
  if (code == GIT_EMISMATCH) return ErrorCode::kCorrupt;
  switch (klass) {
    case GIT_ERROR_ODB:
    case GIT_ERROR_ZLIB:
    case GIT_ERROR_OBJECT:
    case GIT_ERROR_TREE:
    case GIT_ERROR_INDEXER:
      return ErrorCode::kCorrupt;
    case GIT_ERROR_INVALID:
      return ErrorCode::kInvalid;
    default:
      return ErrorCode::kUnavailable;
  }
}

}  // namespace

void start_libgit() {
  static std::once_flag once;
  std::call_once(once, [] {
    git_libgit2_init();
    // The operator named the repository, so another owner is no surprise; without this libgit2
    // refuses it with a text about a setting that does not exist here.
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    // A commit of ours survives a loss of power once its branch names it.
    git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
    // Its cache of objects serves one plan at a time: 256 MiB, as it has otherwise, helps nobody.
    // It counts the bytes of an object and not what it needs beside them, which is several times
    // that.
    git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, ssize_t{1} << 20);
    for (int level = GIT_CONFIG_LEVEL_PROGRAMDATA; level <= GIT_CONFIG_LEVEL_GLOBAL; ++level) {
      git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
    }
  });
}

void check_git(int code, std::string_view what) {
  if (code >= 0) return;
  const git_error* last = git_error_last();
  const std::string said = last && last->message ? printable(last->message) : "unknown error";
  const ErrorCode kind = code_of(code, last ? last->klass : 0);
  if (kind == ErrorCode::kNotFound) {
    throw Error(kind, fmt::format("{} does not exist", what));
  }
  throw Error(kind, fmt::format("{}: {}", what, said),
              kind == ErrorCode::kCorrupt ? "check the repository with git fsck" : "");
}

git_oid parse_oid(std::string_view id) {
  git_oid oid{};
  const bool hex = id.size() == 40 && id.find_first_not_of("0123456789abcdef") == id.npos;
  if (!hex || git_oid_fromstrn(&oid, id.data(), id.size()) != 0) {
    throw Error(ErrorCode::kInvalid, fmt::format("not a git object id: \"{}\"", printable(id, 60)),
                "40 lower-case hex digits");
  }
  return oid;
}

std::string oid_text(const git_oid& id) {
  char text[GIT_OID_HEXSZ + 1];
  git_oid_tostr(text, sizeof text, &id);
  return text;
}

}  // namespace lockstep
