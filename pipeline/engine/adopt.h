// A plan that takes given outputs for the results of its steps, in graph order, because what reads
// a model has its digest in its fingerprint. Tells the registry and the store nothing: it gives
// what is to be told. Knows nothing of where the outputs come from.
#pragma once

#include "pipeline/engine/world.h"

namespace lockstep {

// What is given for one model's step.
struct GivenModel {
  std::map<std::string, Digest> outputs;  // "model", and others that are there
  std::map<std::string, bool> folders;
  Json metrics = Json::object();
};

struct AdoptedModel {
  std::string model, step;
  int64_t version = 0;
  Digest digest;
};
struct LeftModel {
  std::string model, step, why;
};
struct Adoptions {
  std::vector<AdoptedModel> adopted;  // inputs before consumers
  std::vector<LeftModel> left;        // given, or without a result: not adopted, and why
  std::vector<ResultRecord> results;
  std::map<std::string, Digest> accepted;  // model → fingerprint
  std::vector<Fact> facts;
};

// `given`: by model. Of the survey's steps that register a model.
Adoptions plan_adoptions(Engine& engine, std::shared_ptr<const Survey> survey,
                         const std::map<std::string, GivenModel>& given, const std::string& who,
                         const std::string& reason);

}  // namespace lockstep
