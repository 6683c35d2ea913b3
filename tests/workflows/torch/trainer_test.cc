#include "workflows/torch/trainer.h"

#include <cmath>

#include "pipeline/base/random.h"
#include "tests/catch.h"
#include "workflows/torch/initial.h"
#include "workflows/torch/metrics.h"

namespace lockstep {
namespace {

Trainer& trainer() {
  return load_trainer_from(std::filesystem::read_symlink("/proc/self/exe").parent_path() /
                           "../bin/lockstep-torch.so");
}

// A few texts of three classes, and models small enough to look at each number.
struct Fixture {
  SparseRows rows;
  std::vector<uint32_t> labels;
  FeatureSettings features{32, {1, 2}, {}};

  Fixture() {
    const char* texts[] = {"turn it off", "turn it on",  "play some jazz",
                           "play it",     "open a door", "some door is on"};
    for (const char* text : texts) add_text(features, text, rows);
    labels = {0, 0, 1, 1, 2, 2};
  }

  TextModel model(uint32_t hidden) const {
    return new_trunk({features, 6, hidden}, {"a", "b", "c"}, 3);
  }

  // An adapter none of whose parts is zero any more.
  TextModel adapted(AdapterShape shape, uint32_t hidden) const {
    TextModel out = model(hidden);
    add_adapter(out, shape, out.labels, 5);
    Random random(9);
    for (Matrix* part : {&out.input_a, &out.hidden_a, &out.up_weight, &out.up_bias}) {
      for (float& value : part->values) value = random.uniform() - 0.5f;
    }
    return out;
  }

  TrainJob job(TextModel& model, bool trunk) const {
    TrainJob out;
    out.model = &model;
    out.trunk = trunk;
    out.rows = &rows;
    out.labels = &labels;
    out.batch = 4;
    out.epochs = 5;
    out.after_epoch = [](uint32_t, double) { return true; };
    return out;
  }
};

std::vector<Matrix*> parts(TextModel& model) {
  return {&model.input_weight, &model.input_bias, &model.hidden_weight, &model.hidden_bias,
          &model.input_a,      &model.input_b,    &model.hidden_a,      &model.hidden_b,
          &model.down_weight,  &model.down_bias,  &model.up_weight,     &model.up_bias,
          &model.head_weight,  &model.head_bias};
}

// One step of Adam from rest moves each number by the learning rate against its gradient's sign;
// the gradient is told by the loss of the plain model a little to each side.
int compare_with_differences(const Fixture& fixture, TextModel model, bool trunk) {
  TextModel after = model;
  TrainJob job = fixture.job(after, trunk);
  job.epochs = 1;
  job.batch = 6;
  job.learning_rate = 1e-3;
  trainer().train(job);
  int compared = 0;
  std::vector<Matrix*> before_parts = parts(model);
  std::vector<Matrix*> after_parts = parts(after);
  for (size_t p = 0; p < before_parts.size(); ++p) {
    for (size_t i = 0; i < before_parts[p]->values.size(); ++i) {
      float& value = before_parts[p]->values[i];
      float kept = value;
      float moved = after_parts[p]->values[i] - kept;
      if (moved == 0) continue;
      auto loss = [&](float at) {
        value = at;
        return evaluate(model, fixture.rows, fixture.labels).loss;
      };
      double slope = (loss(kept + 1e-2f) - loss(kept - 1e-2f)) / 2e-2;
      value = kept;
      if (std::fabs(slope) < 2e-3) continue;
      INFO("part " << p << " number " << i << " slope " << slope << " moved " << moved);
      CHECK(std::fabs(moved + std::copysign(1e-3, slope)) < 2e-5);
      ++compared;
    }
  }
  return compared;
}

TEST_CASE("trainer: every gradient points where the plain model's loss says") {
  Fixture fixture;
  CHECK(compare_with_differences(fixture, fixture.model(0), true) > 60);
  CHECK(compare_with_differences(fixture, fixture.model(5), true) > 60);
  using Kind = AdapterKind;
  CHECK(compare_with_differences(fixture, fixture.adapted({Kind::kHead}, 0), false) > 15);
  CHECK(compare_with_differences(fixture, fixture.adapted({Kind::kBottleneck, 3}, 0), false) > 30);
  CHECK(compare_with_differences(fixture, fixture.adapted({Kind::kLora, 2}, 0), false) > 40);
  CHECK(compare_with_differences(fixture, fixture.adapted({Kind::kLora, 2, 4, true, true}, 5),
                                 false) > 40);
}

TEST_CASE("trainer: an adapter leaves the trunk as it is") {
  Fixture fixture;
  TextModel model = fixture.adapted({AdapterKind::kLora, 2, 4, true, true}, 5);
  TextModel before = model;
  trainer().train(fixture.job(model, false));
  CHECK(model.input_weight.values == before.input_weight.values);
  CHECK(model.input_bias.values == before.input_bias.values);
  CHECK(model.hidden_weight.values == before.hidden_weight.values);
  CHECK(model.hidden_bias.values == before.hidden_bias.values);
  CHECK(model.input_a.values != before.input_a.values);
  CHECK(model.hidden_b.values != before.hidden_b.values);
  CHECK(model.head_weight.values != before.head_weight.values);
}

TEST_CASE("trainer: dense batches, as a card takes them, learn the same") {
  Fixture fixture;
  for (bool trunk : {true, false}) {
    TextModel plain = trunk ? fixture.model(5) : fixture.adapted({AdapterKind::kLora, 2}, 0);
    TextModel dense = plain;
    TrainJob job = fixture.job(plain, trunk);
    job.dropout = 0.25;
    trainer().train(job);
    job.model = &dense;
    job.dense_input = true;
    trainer().train(job);
    std::vector<Matrix*> one = parts(plain);
    std::vector<Matrix*> other = parts(dense);
    double most = 0;
    for (size_t p = 0; p < one.size(); ++p) {
      for (size_t i = 0; i < one[p]->values.size(); ++i) {
        most = std::max<double>(most, std::fabs(one[p]->values[i] - other[p]->values[i]));
      }
    }
    CHECK(most < 1e-4);
  }
}

TEST_CASE("trainer: equal jobs give equal bits; another seed does not; false ends it") {
  Fixture fixture;
  TextModel first = fixture.model(5);
  TextModel second = first;
  TextModel third = first;
  TextModel stopped = first;
  trainer().train(fixture.job(first, true));
  trainer().train(fixture.job(second, true));
  TrainJob job = fixture.job(third, true);
  job.seed = 1;
  trainer().train(job);
  CHECK(first.input_weight.values == second.input_weight.values);
  CHECK(first.head_bias.values == second.head_bias.values);
  CHECK(first.head_bias.values != third.head_bias.values);
  job = fixture.job(stopped, true);
  uint32_t seen = 0;
  job.after_epoch = [&](uint32_t epoch, double) {
    seen = epoch;
    return epoch < 2;
  };
  trainer().train(job);
  CHECK(seen == 2);
}

TEST_CASE("trainer: it learns what can be learned, and its loss is the model's") {
  Fixture fixture;
  TextModel model = fixture.model(0);
  TrainJob job = fixture.job(model, true);
  job.epochs = 60;
  double last = 0;
  job.after_epoch = [&](uint32_t, double loss) {
    last = loss;
    return true;
  };
  trainer().train(job);
  Evaluation seen = evaluate(model, fixture.rows, fixture.labels);
  CHECK(seen.accuracy == 1);
  CHECK(seen.loss < 0.2);
  CHECK(std::fabs(last - seen.loss) < 0.1);
}

TEST_CASE("trainer: one thread, and a BLAS with a name") {
  Measured measured = trainer().measure(false);
  CHECK(measured.threads == 1);
  CHECK(measured.interop_threads == 1);
  CHECK(measured.device == "cpu");
  CHECK_FALSE(measured.blas.empty());
  CHECK_FALSE(measured.torch.empty());
  CHECK(measured.capability != "unknown");
}

}  // namespace
}  // namespace lockstep
