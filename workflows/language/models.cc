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
  for (const ModelProducer& producer : producers_) {
    if (producer.pattern == pattern) return producer.step;
  }
  producers_.push_back({step, pattern});
  return npos;
}

std::vector<size_t> ModelIndex::producers(const std::string& name) const {
  for (const ModelProducer& producer : producers_) {
    if (producer.pattern == name) return {producer.step};
  }
  std::vector<size_t> steps;
  for (const ModelProducer& producer : producers_) {
    if (patterns_meet(producer.pattern, name)) steps.push_back(producer.step);
  }
  return steps;
}

std::vector<std::string> ModelIndex::patterns() const {
  std::vector<std::string> all;
  for (const ModelProducer& producer : producers_) all.push_back(producer.pattern);
  return all;
}

}  // namespace lockstep
