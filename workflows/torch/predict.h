// Answers of a trained model for single texts or a column of a table, without libtorch.
// Knows nothing of training; takes its numbers from the model's files.
#pragma once

#include <string>
#include <vector>

#include "pipeline/base/json.h"
#include "workflows/torch/text_model.h"

namespace lockstep {

// The model in `model_path`: a trunk by itself, or an adapter with the trunk in `trunk_path`.
// Throws as model_file.h says; invalid when an adapter comes without its trunk.
TextModel load_model(const std::string& model_path, const std::string& trunk_path);

// {"text", "label", "score", "scores": the three likeliest [{"label", "score"}]}.
Json predict(const TextModel& model, const std::string& text);

}  // namespace lockstep
