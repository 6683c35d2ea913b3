#include "pipeline/runner/capture.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace lockstep {

Masker::Masker(std::vector<std::string> secrets) : secrets_(std::move(secrets)) {
  std::erase_if(secrets_, [](const std::string& s) { return s.empty(); });
  for (const std::string& s : secrets_) first_[static_cast<unsigned char>(s[0])] = true;
}

std::string Masker::add(std::string_view bytes) {
  if (secrets_.empty()) return std::string(bytes);
  held_ += bytes;
  return scan(false);
}

std::string Masker::finish() {
  return scan(true);
}

size_t Masker::match(std::string_view text, bool last, bool* wait) const {
  size_t longest = 0;
  for (const std::string& secret : secrets_) {
    if (text.starts_with(secret)) longest = std::max(longest, secret.size());
    if (!last && secret.size() > text.size() && secret.starts_with(text)) *wait = true;
  }
  return longest;
}

std::string Masker::scan(bool last) {
  std::string out;
  size_t at = 0;
  for (; at < held_.size(); ++at) {
    std::string_view rest = std::string_view(held_).substr(at);
    if (first_[static_cast<unsigned char>(rest[0])]) {
      bool wait = false;
      size_t length = match(rest, last, &wait);
      if (wait) break;
      covered_ = std::max(covered_, length);
    }
    if (covered_ == 0) {
      out += rest[0];
    } else if (!masking_) {
      out += "***";
    }
    masking_ = covered_ > 0;
    if (covered_ > 0) --covered_;
  }
  held_.erase(0, at);
  return out;
}

LogWriter::LogWriter(const std::filesystem::path& file, uint64_t max_bytes,
                     std::vector<std::string> secrets)
    : file_(file), masker_(std::move(secrets)), max_bytes_(max_bytes) {}

void LogWriter::add(std::string_view bytes) {
  total_ += bytes.size();
  if (!cut_) store(masker_.add(bytes));
}

void LogWriter::finish() {
  if (!cut_) store(masker_.finish());
}

// A full disk loses log lines, never the attempt.
void LogWriter::store(std::string_view bytes) {
  if (bytes.empty()) return;
  if (!fd_.open()) {
    fd_.reset(open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
  }
  if (stored_ + bytes.size() > max_bytes_) {
    bytes = bytes.substr(0, max_bytes_ - stored_);
    cut_ = true;
  }
  stored_ += bytes.size();
  std::string notice = cut_ ? fmt::format("\n… log cut at {} bytes\n", max_bytes_) : "";
  for (std::string_view part : {bytes, std::string_view(notice)}) {
    while (!part.empty()) {
      ssize_t n = write(fd_.get(), part.data(), part.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return;
      part.remove_prefix(static_cast<size_t>(n));
    }
  }
}

}  // namespace lockstep
