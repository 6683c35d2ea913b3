// What a workspace does not keep for ever: runs that are over, their attempts, and logs. Some at a
// time, each a turn of its own, so that nothing waits for it.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "pipeline/daemon/daemon.h"
#include "pipeline/daemon/needed.h"

namespace lockstep {
namespace {

constexpr int64_t kHour_ms = 3'600'000;
constexpr int64_t kSoon_ms = 50;
constexpr size_t kRunsAtOnce = 200;
constexpr int64_t kPagesAtOnce = 1'000;

int64_t oldest_kept_ms(const Keep& keep, int64_t now_ms) {
  return keep.count > 0 ? 0 : std::max<int64_t>(now_ms - keep.age_ms, 1);
}

struct Log {
  fs::file_time_type written;
  fs::path file;
};

std::vector<Log> logs_in(const fs::path& folder) {
  std::vector<Log> all;
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, none)) {
    std::error_code gone;
    const fs::file_time_type written = entry.last_write_time(gone);
    if (!gone) all.push_back({written, entry.path()});
  }
  return all;
}

}  // namespace

// In how many ms there is more to do.
int64_t Daemon::forget_old() {
  const Keep& keep = parts_.workspace().policies.keep_runs;
  SqliteStore::Trim trim;
  trim.keep = static_cast<size_t>(keep.count);
  trim.most = kRunsAtOnce;
  trim.before_ms = oldest_kept_ms(keep, clock_.now_ms());
  size_t runs = 0;
  int64_t pages = 0;
  const std::vector<std::string> gone = in_loop([&](Engine& engine) {
    // A result that can still be used is no history.
    const std::set<Digest> named =
        needed_fingerprints(engine.registry(), store_, parts_.workspace().policies.keep_releases);
    trim.needed = [&](const Digest& fingerprint) {
      return named.count(fingerprint) || engine.past().result(fingerprint) ||
             engine.past().is_live(fingerprint);
    };
    std::vector<std::string> attempts = store_.trim(trim, &runs);
    pages = db_.shrink(kPagesAtOnce);
    return attempts;
  });
  std::error_code ignored;
  for (const std::string& attempt : gone) fs::remove(log_file(attempt), ignored);
  if (runs == kRunsAtOnce || pages > kPagesAtOnce) return kSoon_ms;
  forget_logs();
  in_loop([](Engine& engine) { forget_old_deliveries(engine); });
  return kHour_ms;
}

void Daemon::forget_logs() {
  std::error_code ignored;
  const Keep& keep = parts_.workspace().policies.keep_logs;
  std::vector<Log> all = logs_in(parts_.state() / "logs");
  std::sort(all.begin(), all.end(),
            [](const Log& a, const Log& b) { return a.written > b.written; });
  const auto oldest = fs::file_time_type::clock::now() - std::chrono::milliseconds(keep.age_ms);
  for (size_t i = 0; i < all.size(); ++i) {
    const bool stays =
        keep.count > 0 ? i < static_cast<size_t>(keep.count) : all[i].written >= oldest;
    if (!stays) fs::remove(all[i].file, ignored);
  }
}

}  // namespace lockstep
