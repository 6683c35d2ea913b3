// The log of an attempt: what its program printed, with secrets masked and a size that has an end.
// Knows nothing of programs or pipes.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/fd.h"

namespace lockstep {

// Replaces secrets by "***" in a stream that arrives in any pieces.
class Masker {
 public:
  explicit Masker(std::vector<std::string> secrets);
  // The bytes that can be shown now; a beginning of a secret is held back until it is decided.
  std::string add(std::string_view bytes);
  std::string finish();

 private:
  std::string scan(bool last);
  // Length of the longest secret at `text`'s start; sets `wait` when a longer one may yet come.
  size_t match(std::string_view text, bool last, bool* wait) const;

  std::vector<std::string> secrets_;
  std::array<bool, 256> first_{};  // bytes that begin a secret
  std::string held_;
  size_t covered_ = 0;  // bytes from here on that belong to a secret
  bool masking_ = false;
};

// Appends to a file until `max_bytes`, then one line that says so; the rest is counted only.
class LogWriter {
 public:
  LogWriter(const std::filesystem::path& file, uint64_t max_bytes,
            std::vector<std::string> secrets);
  void add(std::string_view bytes);
  void finish();
  uint64_t total_bytes() const { return total_; }

 private:
  void store(std::string_view bytes);

  std::filesystem::path file_;
  Fd fd_;  // opened with the first bytes
  Masker masker_;
  uint64_t max_bytes_;
  uint64_t stored_ = 0, total_ = 0;
  bool cut_ = false;
};

}  // namespace lockstep
