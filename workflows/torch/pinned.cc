#include "workflows/torch/pinned.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

constexpr const char* kGuard = "LOCKSTEP_TORCH_PINNED";

bool in_force() {
  for (const auto& [name, value] : pinned_environment()) {
    const char* now = std::getenv(name.c_str());
    if (now == nullptr || value != now) return false;
  }
  return true;
}

}  // namespace

const std::vector<std::pair<std::string, std::string>>& pinned_environment() {
  static const std::vector<std::pair<std::string, std::string>> pinned = {
    {"OMP_NUM_THREADS", "1"},
    {"OPENBLAS_NUM_THREADS", "1"},
    {"MKL_NUM_THREADS", "1"},
    {"ATEN_CPU_CAPABILITY", "default"},
    {"MKL_CBWR", "COMPATIBLE"},
    {"CUBLAS_WORKSPACE_CONFIG", ":4096:8"},
    {"NVIDIA_TF32_OVERRIDE", "0"},
#if defined(__x86_64__)
    // SSE4.2 is what every x86-64 server has, so bytes agree between machines.
    {"OPENBLAS_CORETYPE", "Nehalem"},
    {"DNNL_MAX_CPU_ISA", "SSE41"},
    {"ONEDNN_MAX_CPU_ISA", "SSE41"},
    // glibc chooses its exp and log by these; read at exec, hence the new start.
    {"GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4"},
#elif defined(__aarch64__)
    {"OPENBLAS_CORETYPE", "ARMV8"},
#endif
  };
  return pinned;
}

void ensure_pinned(char** arguments) {
  if (in_force()) return;
  if (std::getenv(kGuard) != nullptr) {
    throw Error(ErrorCode::kUnavailable, "the environment for training does not stay as it is set",
                std::string("start lockstep-torch without ") + kGuard);
  }
  for (const auto& [name, value] : pinned_environment()) setenv(name.c_str(), value.c_str(), 1);
  setenv(kGuard, "1", 1);
  execv("/proc/self/exe", arguments);
  throw Error(ErrorCode::kUnavailable,
              std::string("cannot start itself again: ") + std::strerror(errno),
              "is /proc mounted?");
}

}  // namespace lockstep
