// Two versions side by side: rows, code, parameters, what they were trained on, numbers.
#include <fmt/format.h>

#include <algorithm>

#include "pipeline/daemon/backend.h"
#include "pipeline/daemon/versions.h"

namespace lockstep {
namespace {

// Down to `depth`, objects member by member; below, values are equal or they are not.
void add_differences(const Json& a, const Json& b, const std::string& name, int depth, Json& out) {
  if (a == b) return;
  const bool open = depth > 0 && (a.is_object() || a.is_null()) && (b.is_object() || b.is_null());
  if (!open) {
    out.push_back({{"name", name}, {"a", a}, {"b", b}});
    return;
  }
  std::set<std::string> names;
  for (const Json* side : {&a, &b}) {
    for (const auto& [member, value] : side->items()) names.insert(member);
  }
  for (const std::string& member : names) {
    const Json was = a.is_object() ? a.value(member, Json()) : Json();
    const Json is = b.is_object() ? b.value(member, Json()) : Json();
    add_differences(was, is, name.empty() ? member : name + "." + member, depth - 1, out);
  }
}

// What was declared, without the contents of inputs, which are told apart.
Json declared(const Version& version) {
  if (version.recipe.empty()) return Json::object();
  Json recipe = parse_json(version.recipe, "a recorded recipe");
  Json inputs = recipe.value("inputs", Json::object());
  for (auto& [name, input] : inputs.items()) {
    if (input.is_object()) input.erase("digest");
  }
  recipe["inputs"] = inputs;
  return recipe;
}

Json differences(const Json& a, const Json& b, int depth) {
  Json all = Json::array();
  add_differences(a, b, "", depth, all);
  return all;
}

Json summary_of(const ModelState& model, const std::string& name, const Version& version) {
  const size_t at = static_cast<size_t>(&version - model.versions.data());
  return {{"model", name},
          {"version", version.number},
          {"sha256", version.digest.hex()},
          {"created", rfc3339(model.created_ms[at])},
          {"trigger", version.trigger}};
}

Json upstreams_of(const Version& a, const Version& b) {
  std::map<std::string, std::pair<Json, Json>> by_input;
  for (const Json& used : a.upstreams.json()) by_input[used.at("input")].first = used;
  for (const Json& used : b.upstreams.json()) by_input[used.at("input")].second = used;
  Json all = Json::array();
  auto side = [](const Json& used) -> Json {
    if (used.is_null()) return nullptr;
    return {{"model", used.at("model")},
            {"version", used.at("version")},
            {"sha256", used.at("digest")}};
  };
  for (const auto& [input, used] : by_input) {
    const auto& [was, is] = used;
    if (!was.is_null() && !is.is_null() && was.at("digest") == is.at("digest")) continue;
    all.push_back({{"input", input}, {"a", side(was)}, {"b", side(is)}});
  }
  return all;
}

Json metrics_of(const Version& a, const Version& b) {
  Json all = Json::object();
  const Json was = a.metrics.json(), is = b.metrics.json();
  for (const Json* side : {&was, &is}) {
    for (const auto& [name, value] : side->items()) {
      all[name] = {was.value(name, Json()), is.value(name, Json())};
    }
  }
  return all;
}

// One input's rows; null where both read the same.
Json rows_of(SourceSet& sources, const Json& slice, const Json& before, const Version& version) {
  Json one = {{"input", slice.at("input")},
              {"source", slice.at("source")},
              {"table", slice.at("table")},
              {"slice", slice.at("slice")},
              {"from", before.is_null() ? Json() : before.at("commit")},
              {"to", slice.at("commit")},
              {"rows", nullptr},
              {"sample", Json::array()},
              {"more", false},
              {"note", nullptr}};
  if (before.is_null()) {
    one["note"] = "an input that the first one did not have";
    return one;
  }
  if (before.at("digest") == slice.at("digest")) return nullptr;
  if (before.at("slice") != slice.at("slice") || before.at("source") != slice.at("source")) {
    one["note"] = fmt::format("other rows: {} there", before.at("slice").get<std::string>());
    return one;
  }
  const RowCounts rows = slice_changes(sources, slice, before, version);
  if (rows.all() == 0) {
    one["note"] =
        "the rows differ, and can't be counted: an old commit is gone, or other columns "
        "are read";
  } else {
    one["rows"] = {{"added", rows.added}, {"removed", rows.removed}, {"changed", rows.changed}};
  }
  return one;
}

Json code_of(SourceSet& sources, const Version& a, const Version& b) {
  Json all = Json::array();
  for (const CodeChange& change : code_changes(sources, b, a)) {
    Json authors = Json::array();
    for (const CommitInfo& commit : change.by) {
      authors.push_back(commit.id.substr(0, 7) + " " + commit.author);
    }
    all.push_back({{"source", change.source},
                   {"from", change.from.empty() ? Json() : Json(change.from)},
                   {"to", change.to},
                   {"files", change.files},
                   {"paths", change.paths},
                   {"authors", authors}});
  }
  return all;
}

}  // namespace

Json WorkspaceBackend::version_diff(const VersionName& a, const VersionName& b, size_t limit) {
  Version was, is;
  Json out = daemon_.in_loop([&](Engine& engine) {
    Json sides = Json::object();
    for (const auto& [side, name, into] : {std::tuple{"a", &a, &was}, std::tuple{"b", &b, &is}}) {
      const ModelState& model = find_model(engine.registry(), name->model);
      const Version& found = find_version(model, name->model, name->version);
      *into = found;
      sides[side] = summary_of(model, name->model, found);
    }
    return sides;
  });
  out["identical"] = was.digest == is.digest;
  out["parameters"] = differences(declared(was), declared(is), 3);
  out["environment"] = differences(was.environment.json(), is.environment.json(), 4);
  out["upstreams"] = upstreams_of(was, is);
  out["metrics"] = metrics_of(was, is);
  Json data = Json::array();
  {
    std::lock_guard<std::mutex> lock(daemon_.sources_mutex());
    for (const Json& slice : is.slices.json()) {
      Json one = rows_of(daemon_.sources(), slice, recorded_slice(was, slice), is);
      if (one.is_null()) continue;
      one["where"] = slice.value("where", Json::object());
      data.push_back(std::move(one));
    }
    out["code"] = code_of(daemon_.sources(), was, is);
  }
  for (Json& one : data) {
    const Json where = one.at("where");
    one.erase("where");
    if (one.at("rows").is_null() || limit == 0) continue;
    DiffWanted wanted;
    wanted.where = where;
    wanted.limit = limit;
    const std::string table =
        one.at("source").get<std::string>() + "/" + one.at("table").get<std::string>();
    const Json found = diff(table, one.at("from"), one.at("to"), wanted);
    one["sample"] = found.at("rows");
    one["more"] = found.at("more");
  }
  out["data"] = data;
  return out;
}

}  // namespace lockstep
