#include "workflows/torch/measure.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <cstdlib>
#include <sstream>

namespace lockstep {
namespace {

// The BLAS that is really loaded, asked by the symbols only it has.
std::string blas_name() {
  using Text = const char* (*)();
  using MutableText = char* (*)();
  if (auto core = reinterpret_cast<MutableText>(dlsym(RTLD_DEFAULT, "openblas_get_corename"))) {
    auto config = reinterpret_cast<MutableText>(dlsym(RTLD_DEFAULT, "openblas_get_config"));
    std::istringstream words(config != nullptr ? config() : "OpenBLAS");
    std::string name;
    std::string version;
    words >> name >> version;
    return name + " " + version + " " + core();
  }
  if (at::hasMKL()) return "MKL";
  if (auto version = reinterpret_cast<Text>(dlsym(RTLD_DEFAULT, "bli_info_get_version_str"))) {
    return std::string("BLIS ") + version();
  }
  return "reference";
}

// ATen names the kernels it has chosen in one line of its own description.
std::string capability() {
  std::istringstream lines(at::show_config());
  constexpr std::string_view kMark = "CPU capability usage: ";
  for (std::string line; std::getline(lines, line);) {
    size_t at = line.find(kMark);
    if (at != std::string::npos) return line.substr(at + kMark.size());
  }
  return "unknown";
}

// Asked of the driver, whose interface needs no headers of a CUDA toolkit.
std::string card_name() {
  using Get = int (*)(int* device, int ordinal);
  using Name = int (*)(char* name, int size, int device);
  void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver == nullptr) return "cuda";
  auto get = reinterpret_cast<Get>(dlsym(driver, "cuDeviceGet"));
  auto name = reinterpret_cast<Name>(dlsym(driver, "cuDeviceGetName"));
  int device = 0;
  char text[256] = "";
  if (get == nullptr || name == nullptr || get(&device, 0) != 0 ||
      name(text, sizeof text, device) != 0) {
    return "cuda";
  }
  return text;
}

}  // namespace

Measured measure_torch(bool cuda) {
  Measured out;
  out.threads = at::get_num_threads();
  out.interop_threads = at::get_num_interop_threads();
  out.capability = capability();
  out.blas = blas_name();
  out.torch = TORCH_VERSION;
  out.device = cuda ? card_name() : "cpu";
  return out;
}

}  // namespace lockstep
