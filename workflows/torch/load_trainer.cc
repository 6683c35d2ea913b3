#include <dlfcn.h>

#include <filesystem>
#include <vector>

#include "pipeline/base/error.h"
#include "workflows/torch/trainer.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

// Beside the executable in a build folder; under lib/lockstep of the same prefix when installed.
std::vector<fs::path> places() {
  fs::path folder = fs::read_symlink("/proc/self/exe").parent_path();
  return {folder / "lockstep-torch.so", folder.parent_path() / "lib/lockstep/lockstep-torch.so"};
}

Trainer* open_module() {
  std::string reason = "it is not beside the executable";
  for (const fs::path& place : places()) {
    if (!fs::exists(place)) continue;
    void* module = dlopen(place.c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (module != nullptr) {
      auto entry = reinterpret_cast<Trainer* (*)()>(dlsym(module, "lockstep_trainer"));
      if (entry != nullptr) return entry();
    }
    reason = dlerror();
  }
  throw Error(ErrorCode::kUnavailable, "cannot load lockstep-torch.so: " + reason,
              "install libtorch (Debian: libtorch1.13) and keep both files together");
}

}  // namespace

Trainer& load_trainer() {
  static Trainer* trainer = [] {
    Trainer* loaded = open_module();
    loaded->pin();
    return loaded;
  }();
  return *trainer;
}

}  // namespace lockstep
