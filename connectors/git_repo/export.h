// Writes listed code paths into a folder: exactly these, as they are at their commit.
// Knows nothing of globs, commits or what the files are for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "pipeline/core/source.h"

namespace lockstep {

struct ExportLimits {
  uint64_t max_file_bytes = 1ull << 30;
  uint64_t max_total_bytes = 8ull << 30;
};

// `folder` is made, or must be empty. Files get 0644 or 0755; folders 0755; symlinks come last and
// only those that stay inside. Throws conflict (folder not empty), invalid (unsafe or clashing
// paths, unknown modes, limits), denied (links that may lead out), unavailable (disk).
void export_code(CodeRepo& repo, const std::vector<CodePath>& paths,
                 const std::filesystem::path& folder, ExportLimits limits = {});

}  // namespace lockstep
