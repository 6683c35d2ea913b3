// A workspace brought back from a backup, or a backup looked at without changing anything.
// Knows nothing of daemons or routes: nobody serves the folder meanwhile.
#pragma once

#include <functional>

#include "pipeline/base/files.h"
#include "pipeline/base/json.h"
#include "pipeline/cli/cli.h"

namespace lockstep {

// In the store, and the channel → its release as it was restored: as long as that is live, what a
// registry's channel means beside it is newer than the backup.
inline constexpr const char* kRestoredChannel = "restored/";

// Every byte is read and compared, the store is opened beside and checked, and of each digest that
// was published, is an alias or is kept it is said whether its bytes are there.
// {"ok":bool,"file","created","lockstep","artifacts":bool,"files":N,"bytes":N,"runs":N,"models":N,
//  "releases":N,"missing":[{"sha256","of":text}],"problems":[text…]}
// Throws corrupt or invalid, naming the file and the place, where it can't be read.
Json verify_backup(const fs::path& file, const RestoreProgress& progress);

// Into a folder without state, or with `force` one whose state is then kept in
// .lockstep/before-restore-TIME. Artifacts, logs and what a runner is at stay where they are, and a
// lockstep.yaml or tokens that are there stay, too. Numbers of versions, runs and attempts go on
// above every number that may have been used (docs/FORMATS.md).
// {"workspace","file","created","above":N,"files":N,"bytes":N,"kept":folder|null,"notes":[text…],
//  "next":[text…]}
// Throws conflict (state is there, or somebody is at work), corrupt, unavailable; then nothing of
// what was there has changed.
Json restore_backup(const fs::path& file, const fs::path& into, bool force,
                    const RestoreProgress& progress);

// Throws conflict where a restore was interrupted in `state` (the folder .lockstep).
void refuse_half_restored(const fs::path& state);

}  // namespace lockstep
