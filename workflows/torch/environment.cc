#include "workflows/torch/environment.h"

#include <link.h>

#include <array>
#include <cstring>

#include "pipeline/base/digest.h"
#include "pipeline/base/files.h"
#include "workflows/torch/pinned.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxLibraryBytes = 8ull << 30;

// The build id among the notes [at, end) of a loaded library, or "". Notes are (name size, size,
// type), name, content, each padded to `align` bytes (ELF specification).
std::string build_id_in(const char* at, const char* end, uint64_t align) {
  auto padded = [&](uint64_t size) { return (size + align - 1) & ~(align - 1); };
  ElfW(Nhdr) note;
  while (at + sizeof note <= end) {
    std::memcpy(&note, at, sizeof note);
    const char* name = at + sizeof note;
    const char* content = at + padded(sizeof note + note.n_namesz);
    if (content + note.n_descsz > end) return "";
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0) {
      return hex({reinterpret_cast<const uint8_t*>(content), note.n_descsz});
    }
    at = content + padded(note.n_descsz);
  }
  return "";
}

// The libraries whose code computes: libtorch, BLAS, their GPU counterparts, and libm.
bool computes(const std::string& name) {
  static constexpr std::array<std::string_view, 16> kBeginnings = {
      "libtorch",  "libc10",    "libopenblas", "libblas", "liblapack", "libmkl",
      "libdnnl",   "libgomp",   "libiomp",     "libm.so", "libm-",     "libsleef",
      "libcublas", "libcudart", "libcudnn",    "libblis"};
  for (std::string_view beginning : kBeginnings) {
    if (name.compare(0, beginning.size(), beginning) == 0) return true;
  }
  return false;
}

// Called for each library in memory, so that one replaced on disk meanwhile is named as it runs.
int add_library(dl_phdr_info* info, size_t, void* out) {
  std::filesystem::path file = info->dlpi_name;
  std::string name = file.filename().string();
  if (!computes(name)) return 0;
  std::string id;
  for (int i = 0; i < info->dlpi_phnum && id.empty(); ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const char* begin = reinterpret_cast<const char*>(info->dlpi_addr + segment.p_vaddr);
    id = build_id_in(begin, begin + segment.p_memsz, segment.p_align == 8 ? 8 : 4);
  }
  (*static_cast<Json*>(out))[name] =
      id.empty() ? sha256(real_files().read(file, kMaxLibraryBytes)).str() : "build-id:" + id;
  return 0;
}

// The levels of the x86-64 ABI document; what this machine could do, not what is used.
std::string cpu_level() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) return "x86-64-v4";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "x86-64-v3";
  return __builtin_cpu_supports("sse4.2") ? "x86-64-v2" : "x86-64";
#elif defined(__aarch64__)
  return "aarch64";
#else
  return "other";
#endif
}

}  // namespace

Json measured_environment(const Measured& measured) {
  Json libraries = Json::object();
  dl_iterate_phdr(add_library, &libraries);
  Json pinned = Json::object();
  for (const auto& [name, value] : pinned_environment()) pinned[name] = value;
  return {{"threads", measured.threads},
          {"interop_threads", measured.interop_threads},
          {"capability", measured.capability},
          {"blas", measured.blas},
          {"torch", measured.torch},
          {"device", measured.device},
          {"cpu", cpu_level()},
          {"pinned", pinned},
          {"libraries", libraries}};
}

}  // namespace lockstep
