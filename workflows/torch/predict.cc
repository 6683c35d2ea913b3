#include "workflows/torch/predict.h"

#include <algorithm>
#include <numeric>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "workflows/torch/model_file.h"

namespace lockstep {

TextModel load_model(const std::string& model_path, const std::string& trunk_path) {
  std::string bytes = real_files().read(model_path, kMaxModelBytes);
  if (!is_adapter(bytes, model_path)) return read_trunk(bytes, model_path);
  if (trunk_path.empty()) {
    throw Error(ErrorCode::kInvalid, "is an adapter and answers only with its trunk",
                "add --trunk FILE", model_path);
  }
  std::string trunk = real_files().read(trunk_path, kMaxModelBytes);
  TextModel model = read_trunk(trunk, trunk_path);
  read_adapter(bytes, model_path, sha256(trunk), model);
  return model;
}

Json predict(const TextModel& model, const std::string& text) {
  SparseRows rows;
  add_text(model.features, text, rows);
  std::vector<float> scores = softmax(logits(model, rows, 0));
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  auto top = order.begin() + static_cast<long>(std::min<size_t>(3, order.size()));
  std::partial_sort(order.begin(), top, order.end(), [&](size_t a, size_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  });
  Json likeliest = Json::array();
  for (auto it = order.begin(); it != top; ++it) {
    likeliest.push_back({{"label", model.labels[*it]}, {"score", scores[*it]}});
  }
  return {{"text", text},
          {"label", model.labels[order[0]]},
          {"score", scores[order[0]]},
          {"scores", likeliest}};
}

}  // namespace lockstep
