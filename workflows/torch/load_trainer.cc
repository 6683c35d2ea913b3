#include <dlfcn.h>

#include <string>

#include "pipeline/base/error.h"
#include "workflows/torch/trainer.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

Trainer* open_module(const fs::path& path) {
  // The module stays for the life of the process: libtorch cannot be unloaded.
  void* module = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  void* entry = module == nullptr ? nullptr : dlsym(module, "lockstep_trainer");
  if (entry != nullptr) return reinterpret_cast<Trainer* (*)()>(entry)();
  throw Error(ErrorCode::kUnavailable, std::string("cannot load lockstep-torch.so: ") + dlerror(),
              "install libtorch (Debian: libtorch1.13) and keep the module with lockstep-torch");
}

}  // namespace

Trainer& load_trainer_from(const fs::path& path) {
  static Trainer* trainer = [&] {
    Trainer* loaded = open_module(path);
    loaded->pin();
    return loaded;
  }();
  return *trainer;
}

Trainer& load_trainer() {
  fs::path folder = fs::read_symlink("/proc/self/exe").parent_path();
  fs::path installed = folder.parent_path() / "lib/lockstep/lockstep-torch.so";
  fs::path beside = folder / "lockstep-torch.so";
  return load_trainer_from(!fs::exists(beside) && fs::exists(installed) ? installed : beside);
}

}  // namespace lockstep
