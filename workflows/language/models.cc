#include "workflows/language/models.h"

#include "pipeline/core/names.h"
#include "workflows/language/template.h"

namespace lockstep {
namespace {

constexpr size_t kMostNames = 10'000;

const MatrixAxis* list_axis(const std::string& reference, const std::vector<MatrixAxis>& matrix) {
  for (const MatrixAxis& axis : matrix) {
    if (reference == "matrix." + axis.name && axis.table.empty()) return &axis;
  }
  return nullptr;
}

// Every name with one more reference filled in by each of its values.
void fill(const std::string& reference, const MatrixAxis& axis, std::vector<std::string>& names,
          std::vector<std::map<std::string, std::string>>& chosen) {
  std::vector<std::string> next;
  std::vector<std::map<std::string, std::string>> next_chosen;
  for (size_t i = 0; i < names.size(); ++i) {
    for (const std::string& value : axis.values) {
      auto known = chosen[i].find(reference);
      if (known != chosen[i].end() && known->second != value) continue;
      next.push_back(names[i] + encode_value(value, names[i].empty()));
      next_chosen.push_back(chosen[i]);
      next_chosen.back()[reference] = value;
    }
  }
  names = std::move(next);
  chosen = std::move(next_chosen);
}

}  // namespace

std::vector<std::string> possible_names(const TemplateText& text,
                                        const std::vector<MatrixAxis>& matrix) {
  std::vector<std::string> names = {""};
  std::vector<std::map<std::string, std::string>> chosen(1);
  for (const TemplateText::Part& part : text.parts) {
    if (!part.reference) {
      for (std::string& name : names) name += part.text;
      continue;
    }
    const MatrixAxis* axis = list_axis(part.text, matrix);
    if (axis == nullptr || names.size() * axis->values.size() > kMostNames) {
      return {pattern_of(text)};
    }
    fill(part.text, *axis, names, chosen);
  }
  for (std::string& name : names) name = bounded_name(std::move(name));
  return names;
}

size_t ModelIndex::add(size_t step, const std::string& pattern) {
  auto [known, fresh] = exact_.try_emplace(pattern, step);
  if (!fresh) return known->second;
  if (pattern.find('*') != std::string::npos) patterns_.push_back({step, pattern});
  all_.push_back(pattern);
  return npos;
}

std::vector<size_t> ModelIndex::producers(const std::string& name) const {
  auto same = exact_.find(name);
  if (same != exact_.end()) return {same->second};
  std::vector<size_t> steps;
  for (const ModelProducer& producer : patterns_) {
    if (patterns_meet(producer.pattern, name)) steps.push_back(producer.step);
  }
  if (name.find('*') == std::string::npos) return steps;
  for (const auto& [made, step] : exact_) {
    if (made.find('*') == std::string::npos && patterns_meet(made, name)) steps.push_back(step);
  }
  return steps;
}

}  // namespace lockstep
