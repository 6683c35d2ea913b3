// What follows a model back: the models that were trained on it. A part of roll_back_model().
// Knows nothing of who asks for it, nor of training.
#pragma once

#include <string>
#include <vector>

#include "registry/rules/rules.h"

namespace lockstep {

// `out` says where the model itself goes, in `aliases`; what follows is added to its facts,
// dependents, to_train and moved_channels. Every consumer goes to its newest good version on the
// target, and is left where it is, to be trained, where there is none. The version left behind is
// withdrawn; no pin is set, so that a consumer follows its rows and its upstream from here on.
void move_dependents(const Registry& registry, const RollbackRequest& request, const HasBytes& has,
                     const std::vector<std::string>& aliases, Rollback& out);

}  // namespace lockstep
