// Tags of code: which of them are news. What is known of them is durable before anything is
// planned, and a tag stays news until its experiment has come to its end.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/core/names.h"
#include "pipeline/engine/engine.h"

namespace lockstep {
namespace {

using Patterns = std::set<std::string>;

bool any_matches(const Patterns& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches(pattern, name); });
}

// What a look at a source's tags left: the patterns that it looked for, and the tags that were
// there before somebody looked for them, with their commits.
struct Seen {
  Patterns patterns;
  std::map<std::string, std::string> before;

  static Seen parse(const std::string& text, const std::string& name) {
    if (text.empty()) return {};
    Json json = parse_json(text, name);
    return {json.at("patterns").get<Patterns>(), json.at("before").get<decltype(before)>()};
  }
  std::string text() const {
    return patterns.empty() ? "" : Json{{"patterns", patterns}, {"before", before}}.dump();
  }
};

}  // namespace

std::map<std::string, std::map<std::string, std::set<std::string>>> Engine::tags() {
  std::string text = store_.get("tags");
  if (text.empty()) return {};
  return parse_json(text, "tags").get<std::map<std::string, std::map<std::string, Patterns>>>();
}

void Engine::keep_tags(const Graph& graph) {
  Json tags = Json::object();
  for (const auto& [workflow, patterns] : graph.tags) {
    tags[graph.home.at(workflow)][workflow] = patterns;
  }
  std::string text = tags.empty() ? "" : tags.dump();
  if (store_.get("tags") != text) store_.set("tags", text);
}

std::vector<TagNews> Engine::see_tags(const std::string& source,
                                      const std::map<std::string, std::string>& there) {
  auto asked = tags()[source];
  Patterns patterns;
  for (const auto& [workflow, of_one] : asked) patterns.insert(of_one.begin(), of_one.end());
  std::map<std::string, Json> known = previews();
  for (const auto& [mark, preview] : known) {
    Variant variant = Variant::parse(mark);
    bool gone =
        variant.kind == VariantKind::kTag && variant.source == source && !there.count(variant.name);
    if (gone) forget_preview(variant);
  }
  const std::string setting = "tags/" + source;
  Seen seen = Seen::parse(store_.get(setting), setting);
  std::erase_if(seen.before, [&](const auto& one) {
    auto now = there.find(one.first);
    return now == there.end() || now->second != one.second || !any_matches(patterns, one.first);
  });
  std::vector<TagNews> news;
  for (const auto& [name, commit] : there) {
    auto preview = known.find(Variant{source, name, VariantKind::kTag}.mark());
    bool planned = preview != known.end() && preview->second.at("commit") == commit;
    if (planned || seen.before.count(name) || !any_matches(patterns, name)) continue;
    if (preview == known.end() && !any_matches(seen.patterns, name)) {
      seen.before[name] = commit;  // it was there before anybody looked for it
      continue;
    }
    TagNews one{name, commit, {}};
    for (const auto& [workflow, of_one] : asked) {
      if (any_matches(of_one, name)) one.workflows.insert(workflow);
    }
    news.push_back(std::move(one));
  }
  seen.patterns = std::move(patterns);
  if (store_.get(setting) != seen.text()) store_.set(setting, seen.text());
  return news;
}

}  // namespace lockstep
