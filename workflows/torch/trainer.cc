#include "workflows/torch/trainer.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <torch/cuda.h>

#include "pipeline/base/error.h"
#include "pipeline/base/random.h"
#include "workflows/torch/layers.h"
#include "workflows/torch/measure.h"

namespace lockstep {
namespace {

// Puts batches together; remembers which columns the current one has used.
class Batcher {
 public:
  Batcher(const TrainJob& job, at::Device device)
      : job_(job),
        device_(device),
        last_use_(job.model->features.buckets),
        slot_(last_use_.size()) {}

  Batch make(const std::vector<uint32_t>& order, size_t begin, size_t end) {
    Batch batch;
    batch.source = job_.rows;
    ++stamp_;
    for (size_t i = begin; i < end; ++i) {
      batch.rows.push_back(order[i]);
      for (uint64_t k = job_.rows->starts[order[i]]; k < job_.rows->starts[order[i] + 1]; ++k) {
        uint32_t column = job_.rows->columns[k];
        if (last_use_[column] != stamp_) {
          last_use_[column] = stamp_;
          slot_[column] = static_cast<uint32_t>(batch.touched.size());
          batch.touched.push_back(column);
        }
        batch.slots.push_back(slot_[column]);
      }
    }
    if (!device_.is_cpu() || job_.dense_input) fill_dense(batch);
    return batch;
  }

  // One row of zeros with a one for each label.
  at::Tensor targets(const Batch& batch) const {
    auto classes = static_cast<int64_t>(job_.model->labels.size());
    at::Tensor out = at::zeros({static_cast<int64_t>(batch.rows.size()), classes});
    float* row = out.data_ptr<float>();
    for (uint64_t source : batch.rows) {
      row[(*job_.labels)[source]] = 1;
      row += classes;
    }
    return out.to(device_);
  }

 private:
  void fill_dense(Batch& batch) const {
    auto features = static_cast<int64_t>(last_use_.size());
    at::Tensor dense = at::zeros({static_cast<int64_t>(batch.rows.size()), features});
    float* to = dense.data_ptr<float>();
    for (uint64_t row : batch.rows) {
      for (uint64_t k = job_.rows->starts[row]; k < job_.rows->starts[row + 1]; ++k) {
        to[job_.rows->columns[k]] = job_.rows->values[k];
      }
      to += features;
    }
    batch.dense = dense.to(device_);
    at::Tensor touched = at::empty({static_cast<int64_t>(batch.touched.size())}, at::kLong);
    std::copy(batch.touched.begin(), batch.touched.end(), touched.data_ptr<int64_t>());
    batch.touched_tensor = touched.to(device_);
  }

  const TrainJob& job_;
  at::Device device_;
  std::vector<uint64_t> last_use_;  // per column: the stamp of the last batch that touched it
  std::vector<uint32_t> slot_;
  uint64_t stamp_ = 0;
};

class Network {
 public:
  Network(const TrainJob& job, at::Device device)
      : job_(job),
        device_(device),
        batcher_(job, device),
        step_(job.learning_rate),
        random_(job.seed ^ 0x747261696e),
        input_(*job.model, device, job.trunk),
        hidden_({job.model->hidden_weight, job.model->hidden_bias, job.model->hidden_a,
                 job.model->hidden_b, job.model->scale},
                device, job.trunk),
        down_({job.model->down_weight, job.model->down_bias, none_, none_, 0}, device, true),
        up_({job.model->up_weight, job.model->up_bias, none_, none_, 0}, device, true),
        head_({job.model->head_weight, job.model->head_bias, none_, none_, 0}, device, true) {
    order_.resize(job.rows->size());
    for (size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<uint32_t>(i);
    if (!job.trunk) remember_base();
  }

  // Every row once, in an order of chance; the mean loss.
  double epoch() {
    random_.shuffle(order_);
    at::Tensor loss = at::zeros({}, device_);
    for (size_t begin = 0; begin < order_.size(); begin += job_.batch) {
      step_.advance();
      learn(batcher_.make(order_, begin, std::min(order_.size(), begin + job_.batch)), loss);
    }
    input_.store();
    for (const DenseLayer* layer : {&hidden_, &down_, &up_, &head_}) layer->store();
    return loss.item<float>() / static_cast<double>(order_.size());
  }

 private:
  // What a frozen input layer says of each row, once for all epochs.
  void remember_base() {
    std::vector<at::Tensor> parts;
    for (size_t begin = 0; begin < order_.size(); begin += 1024) {
      parts.push_back(
          input_.base(batcher_.make(order_, begin, std::min(order_.size(), begin + 1024))));
    }
    base_ = at::cat(parts);
  }

  at::Tensor base_of(const Batch& batch) const {
    if (!base_.defined()) return input_.base(batch);
    at::Tensor rows = at::empty({static_cast<int64_t>(batch.rows.size())}, at::kLong);
    std::copy(batch.rows.begin(), batch.rows.end(), rows.data_ptr<int64_t>());
    return base_.index_select(0, rows.to(device_));
  }

  at::Tensor dropout_mask(const at::Tensor& like) {
    at::Tensor mask = at::empty(like.sizes(), at::kFloat);
    float* value = mask.data_ptr<float>();
    auto keep = static_cast<float>(1 / (1 - job_.dropout));
    for (int64_t i = 0; i < mask.numel(); ++i) {
      value[i] = random_.uniform() < job_.dropout ? 0 : keep;
    }
    return mask.to(device_);
  }

  void learn(const Batch& batch, at::Tensor& loss) {
    at::Tensor first = at::relu(input_.add_lora(batch, base_of(batch)));
    at::Tensor top = hidden_.exists() ? at::relu(hidden_.forward(first)) : first;
    at::Tensor seen = top;
    at::Tensor narrow;
    if (down_.exists()) {
      narrow = at::relu(down_.forward(top));
      seen = top + up_.forward(narrow);
    }
    at::Tensor mask;
    if (job_.dropout > 0) seen = seen * (mask = dropout_mask(seen));

    at::Tensor target = batcher_.targets(batch);
    at::Tensor log_likely = at::log_softmax(head_.forward(seen), 1);
    loss.sub_((log_likely * target).sum());
    at::Tensor gradient =
        log_likely.exp().sub_(target).div_(static_cast<double>(batch.rows.size()));

    gradient = head_.backward(gradient, step_);
    if (mask.defined()) gradient.mul_(mask);
    if (down_.exists()) {
      at::Tensor inside = at::threshold_backward(up_.backward(gradient, step_), narrow, 0);
      gradient = gradient + down_.backward(inside, step_);
    }
    if (!hidden_.learns() && !input_.learns()) return;
    if (hidden_.exists()) {
      gradient = hidden_.backward(at::threshold_backward(gradient, top, 0), step_);
    }
    if (input_.learns()) {
      input_.backward(batch, at::threshold_backward(gradient, first, 0), step_);
    }
  }

  const TrainJob& job_;
  at::Device device_;
  Batcher batcher_;
  AdamStep step_;
  Random random_;
  Matrix none_;
  InputLayer input_;
  DenseLayer hidden_;
  DenseLayer down_;
  DenseLayer up_;
  DenseLayer head_;
  std::vector<uint32_t> order_;
  at::Tensor base_;
};

// libtorch's errors carry a stack trace after the first line; users need the line.
template <typename Work>
auto translated(Work work) {
  try {
    return work();
  } catch (const c10::Error& error) {
    throw Error(ErrorCode::kUnavailable, error.what_without_backtrace());
  }
}

class TorchTrainer : public Trainer {
 public:
  void pin() override {
    translated([] {
      at::set_num_threads(1);
      at::set_num_interop_threads(1);
      at::Context& context = at::globalContext();
      context.setDeterministicAlgorithms(true, false);
      context.setDeterministicCuDNN(true);
      context.setBenchmarkCuDNN(false);
      context.setAllowTF32CuBLAS(false);
      context.setAllowTF32CuDNN(false);
    });
  }

  bool cuda_available() override {
    return translated([] { return torch::cuda::is_available(); });
  }

  Measured measure(bool cuda) override {
    return translated([&] { return measure_torch(cuda); });
  }

  void train(const TrainJob& job) override {
    translated([&] {
      c10::InferenceMode no_gradients;
      at::Device device(job.cuda ? at::kCUDA : at::kCPU);
      Network network(job, device);
      for (uint32_t epoch = 1; epoch <= job.epochs; ++epoch) {
        double loss = network.epoch();
        if (!job.after_epoch(epoch, loss)) return;
      }
    });
  }
};

}  // namespace
}  // namespace lockstep

extern "C" lockstep::Trainer* lockstep_trainer() {
  static lockstep::TorchTrainer trainer;
  return &trainer;
}
