// Who did what, and who was denied: one JSON document a line, appended, two files of bounded size.
// Knows nothing of routes.
#pragma once

#include <mutex>

#include "pipeline/base/clock.h"
#include "pipeline/base/files.h"
#include "pipeline/base/json.h"

namespace lockstep {

class AuditLog {
 public:
  // The file, and beside it FILE.1 with what was before. `most_bytes` of each.
  AuditLog(fs::path file, Clock& clock, uint64_t most_bytes = 16ull << 20)
      : file_(std::move(file)), clock_(clock), most_bytes_(most_bytes) {}

  // Adds "time" and appends. Never throws: what can't be written is warned about. Of those who
  // come without a token at most 20 a minute are written, so that they can't push others out.
  void append(Json entry);
  // Newest first.
  Json newest(size_t limit);

 private:
  bool too_many_strangers(const Json& entry);

  const fs::path file_;
  Clock& clock_;
  const uint64_t most_bytes_;
  std::mutex mutex_;
  int64_t minute_ = 0;
  size_t strangers_ = 0;
};

}  // namespace lockstep
