#include "workflows/quality/bins.h"

#include <algorithm>

namespace lockstep {

std::vector<double> quantile_edges(const FeatureColumn& column, size_t bins) {
  std::vector<double> values;
  for (size_t i = 0; i < column.values.size(); ++i) {
    if (const auto value = number_at(column, i)) values.push_back(*value);
  }
  return quantile_edges(std::move(values), bins);
}

std::vector<double> quantile_edges(std::vector<double> values, size_t bins) {
  std::sort(values.begin(), values.end());
  std::vector<double> edges;
  for (size_t i = 1; i < bins && !values.empty(); ++i) {
    const double edge = values[(values.size() - 1) * i / bins];
    if (edges.empty() || edge > edges.back()) edges.push_back(edge);
  }
  return edges;
}

size_t bin_of(double value, const std::vector<double>& edges) {
  return static_cast<size_t>(std::lower_bound(edges.begin(), edges.end(), value) - edges.begin());
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> out;
  std::string word;
  for (char c : text) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool part = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '\'' ||
                      static_cast<unsigned char>(c) >= 0x80;
    if (part) {
      word += upper ? static_cast<char>(c | 32) : c;
    } else if (!word.empty()) {
      out.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) out.push_back(std::move(word));
  return out;
}

}  // namespace lockstep
