#include "workflows/torch/attempt.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <ostream>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "workflows/torch/answers.h"
#include "workflows/torch/arrow_rows.h"
#include "workflows/torch/environment.h"
#include "workflows/torch/metrics.h"
#include "workflows/torch/model_file.h"
#include "workflows/torch/place.h"
#include "workflows/torch/rows.h"
#include "workflows/torch/settings.h"

namespace lockstep {
namespace {

// Texts as the model sees them.
struct Vectors {
  SparseRows rows;
  std::vector<uint32_t> labels;
};

Vectors vectors(const TextModel& model, const LabelledTexts& texts) {
  Vectors out;
  for (const std::string& text : texts.texts) add_text(model.features, text, out.rows);
  out.labels = label_indices(texts, model.labels);
  return out;
}

// What an attempt was given, read and checked.
struct Given {
  LabelledTexts training;
  LabelledTexts validation;              // empty: nothing to stop by
  std::optional<LabelledTexts> holdout;  // its own table
  std::vector<std::string> labels;
};

Given read_given(const AttemptPlace& place, const Settings& settings, const std::string& input) {
  auto read = [&](const std::string& name) {
    const std::string text = settings.text("text"), label = settings.text("label");
    if (std::filesystem::is_directory(place.input_path(name))) {  // format: arrow
      return read_labelled_arrow(place.input_path(name), text, label);
    }
    AttemptFile file = place.input(name);
    return read_labelled_texts(file.bytes, file.name, text, label);
  };
  Given given;
  given.training = read(input);
  given.labels = distinct_labels(given.training, place.input_path(input).string());
  if (!place.input_path(input + "_holdout").empty()) given.holdout = read(input + "_holdout");
  if (settings.integer("patience") > 0 || !given.holdout) {
    Parts parts = part_for_validation(std::move(given.training));
    given.training = std::move(parts.training);
    given.validation = std::move(parts.validation);
  }
  return given;
}

void check_size(uint64_t numbers) {
  if (numbers <= kMaxModelBytes / 2 / sizeof(float)) return;
  throw Error(ErrorCode::kInvalid, "the model would take more than 1 GiB",
              "fewer features, a smaller width or a smaller rank");
}

TextModel new_trunk_model(const Settings& settings, const Given& given, uint64_t seed) {
  TrunkShape shape{{static_cast<uint32_t>(settings.integer("features")),
                    settings.integers("ngrams"), settings.integers("characters")},
                   static_cast<uint32_t>(settings.integer("width")),
                   static_cast<uint32_t>(settings.integer("hidden"))};
  if (shape.features.words.empty() && shape.features.characters.empty()) {
    throw Error(ErrorCode::kInvalid, "with.ngrams and with.characters are both empty",
                "a text needs some n-grams to be told from another");
  }
  check_size(uint64_t{shape.features.buckets} * shape.width);
  return new_trunk(shape, given.labels, seed);
}

AdapterShape adapter_shape(const Settings& settings) {
  std::vector<std::string> targets = settings.texts("targets");
  AdapterShape shape;
  shape.kind = adapter_kind(settings.text("adapter"));
  shape.rank = static_cast<uint32_t>(settings.integer("rank"));
  shape.alpha = settings.number("alpha");
  shape.input = std::find(targets.begin(), targets.end(), "input") != targets.end();
  shape.hidden = std::find(targets.begin(), targets.end(), "hidden") != targets.end();
  if (shape.kind == AdapterKind::kLora && targets.empty()) {
    throw Error(ErrorCode::kInvalid, "with.targets is empty", "name a layer, or say adapter: head");
  }
  return shape;
}

// Trains with early stopping: ends when the validation loss has not become better for `patience`
// epochs, and keeps the model of the best one.
class Training {
 public:
  Training(TextModel& model, const Settings& settings, const Given& given,
           const AttemptPlace& place)
      : model_(model),
        place_(place),
        training_(vectors(model, given.training)),
        validation_(vectors(model, given.validation)),
        patience_(settings.integer("patience")) {
    job_.model = &model;
    job_.rows = &training_.rows;
    job_.labels = &training_.labels;
    job_.epochs = static_cast<uint32_t>(settings.integer("epochs"));
    job_.batch = static_cast<uint32_t>(settings.integer("batch"));
    job_.learning_rate = settings.number("learning-rate");
    job_.dropout = settings.number("dropout");
    job_.after_epoch = [this](uint32_t epoch, double loss) { return after_epoch(epoch, loss); };
  }

  void run(Trainer& trainer, bool trunk, uint64_t seed, bool cuda) {
    job_.trunk = trunk;
    job_.seed = seed;
    job_.cuda = cuda;
    trainer.train(job_);
    if (best_epoch_ > 0) model_ = std::move(best_);
  }

  // What the metrics are of when there is no holdout.
  const Vectors& measured_rows() const {
    return validation_.rows.size() > 0 ? validation_ : training_;
  }
  uint32_t best_epoch() const { return best_epoch_ > 0 ? best_epoch_ : last_epoch_; }

 private:
  bool after_epoch(uint32_t epoch, double loss) {
    if (!std::isfinite(loss)) {
      throw Error(ErrorCode::kInvalid, fmt::format("the loss of epoch {} is not finite", epoch),
                  "a smaller with.learning-rate helps");
    }
    last_epoch_ = epoch;
    Json line = {{"epoch", epoch}, {"loss", loss}};
    bool better = false;
    if (validation_.rows.size() > 0) {
      Evaluation seen = evaluate(model_, validation_.rows, validation_.labels);
      line["validation_loss"] = seen.loss;
      line["accuracy"] = seen.accuracy;
      better = patience_ > 0 && (best_epoch_ == 0 || seen.loss < best_loss_);
      if (better) {
        best_ = model_;
        best_loss_ = seen.loss;
        best_epoch_ = epoch;
      }
    }
    place_.append_metrics(line);
    return best_epoch_ == 0 || epoch - best_epoch_ < patience_;
  }

  TextModel& model_;
  const AttemptPlace& place_;
  Vectors training_;
  Vectors validation_;
  uint64_t patience_;
  TrainJob job_;
  TextModel best_;
  double best_loss_ = 0;
  uint32_t best_epoch_ = 0;
  uint32_t last_epoch_ = 0;
};

// The trunk an adapter stands on.
struct Trunk {
  TextModel model;
  Digest digest;
};

Trunk read_trunk_input(const AttemptPlace& place) {
  AttemptFile file = place.input("trunk");
  return {read_trunk(file.bytes, file.name), sha256(file.bytes)};
}

Json final_metrics(const TextModel& model, const Training& training, const Given& given) {
  Vectors holdout;
  if (given.holdout) holdout = vectors(model, *given.holdout);
  const Vectors& rows = given.holdout ? holdout : training.measured_rows();
  Json metrics = metrics_json(model, evaluate(model, rows.rows, rows.labels));
  if (!given.holdout && given.validation.size() == 0) metrics["holdout_rows"] = 0;
  metrics["rows"] = given.training.size() + given.validation.size();
  metrics["epochs"] = training.best_epoch();
  return metrics;
}

}  // namespace

void run_attempt(std::string_view action_name, const Variables& variables, Trainer& (*trainer)(),
                 std::ostream& log) {
  const ActionSpec& action = find_action(action_name);
  if (action.name == "torch/evaluate") return run_evaluation(variables);
  AttemptPlace place(action, variables);
  Settings settings(action, place.with());
  uint64_t seed = settings.given("seed") ? settings.integer("seed") : place.default_seed();
  bool trunk = action.name == "torch/text-trunk";
  Given given = read_given(place, settings, action.inputs.front().name);

  Trunk base;
  AdapterShape shape;
  if (trunk) {
    base.model = new_trunk_model(settings, given, seed);
  } else {
    shape = adapter_shape(settings);
    base = read_trunk_input(place);
    check_size(uint64_t{base.model.features.buckets} * shape.rank);
    add_adapter(base.model, shape, given.labels, seed);
  }

  Trainer& torch = trainer();
  bool cuda = place.wants_card() && torch.cuda_available();
  Measured measured = torch.measure(cuda);
  if (place.wants_card() && !cuda) {
    log << "warning: CUDA_VISIBLE_DEVICES names a card that this libtorch cannot use; training on "
           "the CPU\n";
  }
  if (measured.blas == "reference") {
    log << "warning: libtorch runs on the reference BLAS, about nine times slower (install "
           "libopenblas0-pthread)\n";
  }
  Training training(base.model, settings, given, place);
  training.run(torch, trunk, seed, cuda);

  // From here on the model is final.
  place.write("metrics", canonical_json(final_metrics(base.model, training, given)) + "\n");
  place.write_environment(canonical_json(measured_environment(measured)) + "\n");
  place.write("model",
              trunk ? trunk_bytes(base.model) : adapter_bytes(base.model, shape, base.digest));
}

}  // namespace lockstep
