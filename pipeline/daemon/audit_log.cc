#include "pipeline/daemon/audit_log.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "pipeline/base/error.h"
#include "pipeline/base/fd.h"
#include "pipeline/base/point.h"

namespace lockstep {
namespace {

constexpr size_t kStrangersAMinute = 20;

std::vector<Json> lines_of(const fs::path& file) {
  std::vector<Json> out;
  if (!fs::exists(file)) return out;
  std::string text = real_files().read(file);
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    if (end == text.npos) break;  // a line that was not finished
    Json one = Json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                           text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (one.is_object()) out.push_back(std::move(one));
    begin = end + 1;
  }
  return out;
}

}  // namespace

bool AuditLog::too_many_strangers(const Json& entry) {
  if (entry.value("status", 0) != 401) return false;
  int64_t minute = clock_.now_ms() / 60'000;
  if (minute != minute_) minute_ = minute, strangers_ = 0;
  return ++strangers_ > kStrangersAMinute;
}

void AuditLog::append(Json entry) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (too_many_strangers(entry)) return;
  entry["time"] = rfc3339(clock_.now_ms());
  std::string line = entry.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
  struct stat now {};
  bool full = stat(file_.c_str(), &now) == 0 && static_cast<uint64_t>(now.st_size) >= most_bytes_;
  std::error_code failed;
  if (full) fs::rename(file_, file_.string() + ".1", failed);
  Fd file(open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  point("audit.before");
  bool good = file.get() >= 0 &&
              write(file.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size());
  point("audit.after");
  if (!good) spdlog::warn("the audit log can't be written: {}", line);
}

Json AuditLog::newest(size_t limit) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Json> all = lines_of(file_.string() + ".1");
  for (Json& line : lines_of(file_)) all.push_back(std::move(line));
  Json out = Json::array();
  for (auto it = all.rbegin(); it != all.rend() && out.size() < limit; ++it) out.push_back(*it);
  return out;
}

}  // namespace lockstep
