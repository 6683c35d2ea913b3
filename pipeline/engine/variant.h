// What a preview is of, beside the watched branches: a branch of tables, a tag of code, or a
// workflow with other inputs than its own. Knows nothing of commits or of what comes of it.
#pragma once

#include <string>

#include "pipeline/base/json.h"

namespace lockstep {

enum class VariantKind { kBranch, kTag, kInputs };

struct Variant {
  std::string source;  // whose branch or tag it is; of inputs the workflow
  std::string name;    // of the branch or tag; of inputs the beginning of their digest
  VariantKind kind = VariantKind::kBranch;

  static Variant inputs(const std::string& workflow, const Json& values);
  // "SOURCE@BRANCH", "tag:SOURCE@TAG", "inputs:WORKFLOW@DIGEST": a name that settings and versions
  // know it by. Neither ':' nor '@' is in a source's or workflow's name.
  std::string mark() const;
  static Variant parse(const std::string& mark);
  bool operator==(const Variant&) const = default;
};

}  // namespace lockstep
