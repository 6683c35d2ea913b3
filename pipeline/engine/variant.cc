#include "pipeline/engine/variant.h"

#include <string_view>

#include "pipeline/base/digest.h"

namespace lockstep {
namespace {

constexpr std::string_view kTag = "tag:", kInputs = "inputs:";

}  // namespace

Variant Variant::inputs(const std::string& workflow, const Json& values) {
  constexpr size_t kDigits = 16;
  return {workflow, sha256(canonical_json(values)).hex().substr(0, kDigits), VariantKind::kInputs};
}

std::string Variant::mark() const {
  std::string_view before = kind == VariantKind::kTag      ? kTag
                            : kind == VariantKind::kInputs ? kInputs
                                                           : "";
  return std::string(before) + source + "@" + name;
}

Variant Variant::parse(const std::string& mark) {
  size_t at = mark.find('@'), begin = 0;
  Variant out;
  for (auto [kind, before] :
       {std::pair(VariantKind::kTag, kTag), std::pair(VariantKind::kInputs, kInputs)}) {
    if (mark.compare(0, before.size(), before) != 0) continue;
    out.kind = kind;
    begin = before.size();
  }
  out.source = mark.substr(begin, at == mark.npos ? at : at - begin);
  out.name = at == mark.npos ? "" : mark.substr(at + 1);
  return out;
}

}  // namespace lockstep
