// A whole file as read-only memory, without a copy.
// Knows nothing of what the bytes mean. Whoever cuts the file short meanwhile ends the reader
// (SIGBUS): map only files that nobody changes, like artifacts.
#pragma once

#include <filesystem>
#include <string_view>

namespace lockstep {

class MappedFile {
 public:
  MappedFile() = default;
  // Throws not_found, denied or unavailable.
  explicit MappedFile(const std::filesystem::path& file);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::string_view bytes() const { return bytes_; }

 private:
  std::string_view bytes_;
};

}  // namespace lockstep
