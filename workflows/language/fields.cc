#include "workflows/language/fields.h"

#include <fmt/core.h>

#include <algorithm>

namespace lockstep {
namespace {

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

Fields::Fields(const YamlNode& map, std::string what, Diagnostics& diagnostics)
    : map_(map), what_(std::move(what)), diagnostics_(diagnostics) {
  if (!map.is_map()) {
    diagnostics.error(map.place(), fmt::format("{} must be a map, not {}", what_, kind_word(map)));
  }
}

const YamlNode* Fields::take(std::string_view key) {
  known_.emplace_back(key);
  const YamlNode* value = map_.find(key);
  if (value != nullptr && value->is_null()) {
    diagnostics_.error(value->place(), fmt::format("{} is empty", of(key)),
                       "give it a value or leave the key out");
    return nullptr;
  }
  return value;
}

const YamlNode* Fields::need(std::string_view key, std::string_view expected) {
  const YamlNode* value = take(key);
  if (map_.is_map() && map_.find(key) == nullptr) {
    diagnostics_.error(map_.place(), fmt::format("{} needs \"{}\": {}", what_, key, expected));
  }
  return value;
}

void Fields::not_yet(const std::vector<std::string>& keys) {
  for (const YamlEntry& entry : map_.entries()) {
    if (!contains(keys, entry.key)) continue;
    refused_.push_back(entry.key);
    not_supported_yet(entry.key_place, entry.key, diagnostics_);
  }
}

void Fields::instead(std::string_view key, std::string_view hint) {
  for (const YamlEntry& entry : map_.entries()) {
    if (entry.key != key) continue;
    refused_.push_back(entry.key);
    diagnostics_.error(entry.key_place, fmt::format("unknown key \"{}\" in {}", key, what_),
                       std::string(hint));
  }
}

void Fields::finish() {
  for (const YamlEntry& entry : map_.entries()) {
    if (contains(known_, entry.key) || contains(refused_, entry.key)) continue;
    diagnostics_.error(entry.key_place,
                       fmt::format("unknown key \"{}\" in {}", shown(entry.key), what_),
                       did_you_mean(entry.key, known_));
  }
}

std::string Fields::of(std::string_view key) const {
  return fmt::format("\"{}\" of {}", key, what_);
}

void not_supported_yet(const Place& place, std::string_view word, Diagnostics& diagnostics,
                       std::string hint) {
  diagnostics.error(place, fmt::format("\"{}\" is not supported yet", shown(word)),
                    std::move(hint));
}

}  // namespace lockstep
