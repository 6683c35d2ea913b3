#include "pipeline/yaml/diagnostics.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

namespace lockstep {
namespace {

constexpr size_t kMostKept = 200;
constexpr size_t kLongestWord = 64;  // longer words are not compared: no one mistypes them
constexpr size_t kLongestShown = 60;

size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t change = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

Place parse_place(const std::string& where) {
  Place place{where, 0, 0};
  size_t column_at = where.rfind(':');
  if (column_at == std::string::npos || column_at == 0) return place;
  size_t line_at = where.rfind(':', column_at - 1);
  if (line_at == std::string::npos) return place;
  std::string line = where.substr(line_at + 1, column_at - line_at - 1);
  std::string column = where.substr(column_at + 1);
  auto number = [](const std::string& text) {
    return !text.empty() && text.size() < 10 &&
           text.find_first_not_of("0123456789") == std::string::npos;
  };
  if (!number(line) || !number(column)) return place;
  return {where.substr(0, line_at), std::stoi(line), std::stoi(column)};
}

std::string Place::str() const {
  return fmt::format("{}:{}:{}", file, line, column);
}

void Diagnostics::keep(std::vector<Item>& items, size_t& dropped, Item item) {
  if (items.size() < kMostKept) {
    items.push_back(std::move(item));
  } else {
    ++dropped;
  }
}

void Diagnostics::error(const Place& place, std::string message, std::string hint) {
  Error error(ErrorCode::kInvalid, std::move(message), std::move(hint), place.str());
  keep(errors_, dropped_errors_, {place, std::move(error)});
}

void Diagnostics::warn(const Place& place, std::string message, std::string hint) {
  Error error(ErrorCode::kInvalid, std::move(message), std::move(hint), place.str());
  keep(warnings_, dropped_warnings_, {place, std::move(error)});
}

void Diagnostics::add(const Error& error) {
  keep(errors_, dropped_errors_, {parse_place(error.where), error});
}

void Diagnostics::merge(const Diagnostics& other) {
  for (const Item& item : other.errors_) keep(errors_, dropped_errors_, item);
  for (const Item& item : other.warnings_) keep(warnings_, dropped_warnings_, item);
  dropped_errors_ += other.dropped_errors_;
  dropped_warnings_ += other.dropped_warnings_;
}

std::vector<Error> Diagnostics::sorted(const std::vector<Item>& items, size_t dropped) {
  std::vector<const Item*> order;
  for (const Item& item : items) order.push_back(&item);
  std::stable_sort(order.begin(), order.end(), [](const Item* a, const Item* b) {
    return std::tie(a->place.file, a->place.line, a->place.column) <
           std::tie(b->place.file, b->place.line, b->place.column);
  });
  std::vector<Error> all;
  for (const Item* item : order) {
    bool said = std::any_of(all.begin(), all.end(), [&](const Error& e) {
      return e.where == item->error.where && e.message == item->error.message;
    });
    if (!said) all.push_back(item->error);
  }
  if (dropped > 0) {
    all.emplace_back(ErrorCode::kInvalid, fmt::format("and {} more", dropped));
  }
  return all;
}

std::vector<Error> Diagnostics::errors() const {
  return sorted(errors_, dropped_errors_);
}

std::vector<Error> Diagnostics::warnings() const {
  return sorted(warnings_, dropped_warnings_);
}

void Diagnostics::throw_if_any() const {
  if (!ok()) throw Errors(errors());
}

std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.empty() || word.size() > kLongestWord) return "";
  std::string best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongestWord || candidate == word) continue;
    size_t d = distance(word, candidate);
    if (d < best_distance && d < candidate.size()) {
      best_distance = d;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  std::string near = nearest_word(word, candidates);
  return near.empty() ? "" : fmt::format("did you mean \"{}\"?", near);
}

std::string shown(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (out.size() >= kLongestShown) return out + "…";
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace lockstep
