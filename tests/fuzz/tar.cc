// Tar archives: the first line names a file that is looked for in what follows it; its bytes are
// found again in an archive of our own.
#include "pipeline/formats/tar.h"

#include "tests/fuzz/fuzz.h"

using namespace lockstep;
using fuzz::claim;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view archive;
  const std::string path(fuzz::first_line(fuzz::text_of(data, size), &archive));
  fuzz::reads([&] {
    const std::optional<std::string_view> found = find_in_tar(archive, path);
    if (!found || found->empty()) return;
    claim(found->data() >= archive.data() &&
              found->data() + found->size() <= archive.data() + archive.size(),
          "what is found lies in the archive");
  });
  std::string made;
  const bool written = fuzz::reads([&] {
    TarWriter tar([&](std::string_view part) { made += part; });
    tar.file(path, archive, size % 2 == 1);
    tar.finish();
  });
  if (!written) return 0;
  claim(made.size() % 512 == 0, "whole blocks");
  const std::optional<std::string_view> found = find_in_tar(made, path);
  claim(found && *found == archive, "what was written is found");
  return 0;
}
