// Which step makes which model, as far as files alone can tell: names where a matrix is a list,
// patterns where the data decides. Inside the language room only; knows nothing of graphs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pipeline/core/workflow.h"

namespace lockstep {

// What a text may come to be in the instances of a step: every name, or one pattern with '*'.
std::vector<std::string> possible_names(const TemplateText& text,
                                        const std::vector<MatrixAxis>& matrix);

struct ModelProducer {
  size_t step = 0;      // the caller's number for it
  std::string pattern;  // a name, or a pattern with '*'
};

class ModelIndex {
 public:
  // Returns the step that makes `pattern` already, or npos.
  size_t add(size_t step, const std::string& pattern);
  // Steps that may make a model called `name` (a name or a pattern): those that name it exactly,
  // else those whose pattern meets it.
  std::vector<size_t> producers(const std::string& name) const;
  const std::vector<std::string>& patterns() const { return all_; }

  static constexpr size_t npos = static_cast<size_t>(-1);

 private:
  std::map<std::string, size_t> exact_;  // by pattern, names included
  std::vector<ModelProducer> patterns_;  // those with '*'
  std::vector<std::string> all_;
};

}  // namespace lockstep
