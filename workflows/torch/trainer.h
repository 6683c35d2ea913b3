// The seam to the one part that links libtorch: it improves the numbers of a model, epoch by epoch.
// Knows nothing of files, tables, labels' names or when to stop.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "workflows/torch/text_features.h"
#include "workflows/torch/text_model.h"

namespace lockstep {

struct TrainJob {
  TextModel* model = nullptr;  // begins with its values; holds the new ones after each epoch
  bool trunk = false;          // every layer learns; otherwise the adapter's parts and the head
  const SparseRows* rows = nullptr;
  const std::vector<uint32_t>* labels = nullptr;  // one per row, an index into model->labels
  uint32_t epochs = 1;
  uint32_t batch = 32;
  double learning_rate = 0.01;
  double dropout = 0;  // of what the head sees
  uint64_t seed = 0;
  bool cuda = false;
  bool dense_input = false;  // multiply dense batches, as on a card, on the CPU too
  // Called with 1, 2, … and the mean training loss; false ends the training.
  std::function<bool(uint32_t epoch, double loss)> after_epoch;
};

// What is really in force in this process; equal values are a reason to expect equal bytes.
struct Measured {
  int threads = 0;
  int interop_threads = 0;
  std::string capability;  // of ATen's kernels: DEFAULT, AVX2, …
  std::string blas;        // "OpenBLAS 0.3.21 Nehalem"; "reference" when nothing better is loaded
  std::string torch;       // TORCH_VERSION; Debian's 1.13.1 says 1.13.0
  std::string device;      // "cpu" or the name of the card
};

// Loaded from lockstep-torch.so after the environment is pinned. Throws unavailable
// where libtorch fails.
class Trainer {
 public:
  virtual ~Trainer() = default;
  // One thread, deterministic algorithms, no TF32; before anything else, once.
  virtual void pin() = 0;
  virtual bool cuda_available() = 0;
  virtual Measured measure(bool cuda) = 0;
  virtual void train(const TrainJob& job) = 0;
};

// The Trainer in the module at `path`, pinned. Throws unavailable when it or libtorch cannot be
// loaded. One per process.
Trainer& load_trainer_from(const std::filesystem::path& path);

// The same for the module beside this executable (as built), or in ../lib/lockstep (as installed).
Trainer& load_trainer();

}  // namespace lockstep

extern "C" lockstep::Trainer* lockstep_trainer();
