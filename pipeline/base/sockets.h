// Unix stream sockets by path, however long the path.
// Knows nothing of what is said over them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>

#include "pipeline/base/fd.h"

namespace lockstep {

// A non-blocking listener at `path` with these permissions. Takes the place of a socket file that
// is there: the caller must know (by a lock) that nobody serves it. Throws unavailable or denied.
Fd listen_unix(const std::filesystem::path& path, int mode);

// A blocking connection. Throws unavailable when nobody listens.
Fd connect_unix(const std::filesystem::path& path);

// The user at the other end, by SO_PEERCRED; -1 where it can't be told.
uid_t peer_uid(const Fd& socket);

}  // namespace lockstep
