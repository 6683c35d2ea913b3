// Sheets brought into tables.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "connectors/download/download.h"
#include "pipeline/base/json.h"
#include "pipeline/daemon/backend.h"
#include "pipeline/daemon/predict.h"
#include "pipeline/imports/import.h"
#include "pipeline/yaml/diagnostics.h"

namespace lockstep {
namespace {

ImportSpec find_import(const Workspace& workspace, const std::string& name) {
  std::vector<std::string> names;
  for (const ImportSpec& import : workspace.imports) {
    if (import.name == name) return import;
    names.push_back(import.name);
  }
  std::string hint = did_you_mean(name, names);
  if (hint.empty() && !names.empty()) hint = fmt::format("there is {}", fmt::join(names, ", "));
  if (names.empty()) hint = "add one under imports: in lockstep.yaml";
  throw Error(ErrorCode::kNotFound, "no import is called " + printable(name), hint);
}

std::string branch_of(const Workspace& workspace, const ImportSpec& import,
                      const std::string& source) {
  if (!import.branch.empty()) return import.branch;
  for (const SourceSpec& spec : workspace.sources) {
    if (spec.name == source) return spec.branch;
  }
  throw Error(ErrorCode::kNotFound, "no source is called " + source);
}

Json as_json(const std::optional<Row>& row, const std::vector<std::string>& columns) {
  Json out;
  for (size_t i = 0; row && i < columns.size(); ++i) {
    const bool null = (*row)[i].tag == ValueTag::kNull;
    out[columns[i]] = null ? Json() : Json(replace_invalid_utf8(display((*row)[i])));
  }
  return out;
}

Json to_json(const ImportChange& found) {
  Json rows = Json::array();
  for (const auto& [before, after] : found.sample) {
    const char* change = !before ? "added" : !after ? "removed" : "changed";
    rows.push_back({{"change", change},
                    {"before", as_json(before, found.change.columns)},
                    {"after", as_json(after, found.change.columns)}});
  }
  return {{"added", found.added},
          {"changed", found.changed},
          {"removed", found.removed},
          {"unchanged", found.unchanged},
          {"kept", found.kept},
          {"rows", rows},
          {"more", found.added + found.changed + found.removed > rows.size()}};
}

}  // namespace

Json WorkspaceBackend::import_sheet(const std::string& name, const Json& options,
                                    const Caller& caller) {
  Parts& parts = daemon_.parts();
  ImportSpec import = find_import(parts.workspace(), name);
  const std::string file = options.value("from", "");
  if (!file.empty()) {
    if (fs::path(file).is_relative()) {
      throw Error(ErrorCode::kInvalid, "`from` is not an absolute path");
    }
    import.web = false;
    import.from = file;
  }
  const std::string place = import.web ? shown_url(import.from) : printable(import.from);
  const std::string csv = parts.sheet(import);  // before the lock: a server may take its time
  std::lock_guard<std::mutex> lock(daemon_.sources_mutex());
  std::string source;
  auto [store, table] = find_table(daemon_.sources(), import.table, &source);
  WriteOrder order;
  order.branch = branch_of(parts.workspace(), import, source);
  order.base = store->resolve(order.branch);
  ImportRules rules;
  rules.columns = import.columns;
  rules.remove = import.remove;
  rules.max_change = import.max_change;
  rules.accept = options.value("accept_change", false);
  const ImportChange found = compare_sheet(*store, order.base, table, csv, place, rules);
  Json out = to_json(found);
  out.update({{"import", name},
              {"source", source},
              {"table", table},
              {"branch", order.branch},
              {"place", place},
              {"sha256", sha256(csv).hex()},
              {"bytes", csv.size()},
              {"base", order.base},
              {"commit", nullptr},
              {"dry_run", caller.dry_run}});
  if (found.empty() || caller.dry_run) return out;
  order.author = import.author.empty() ? caller.user : import.author;
  order.email = import.author.empty() ? "lockstep@localhost" : import.email;
  // Folders of this machine don't belong into the history.
  const std::string named =
      import.web ? place : printable(fs::path(import.from).filename().string());
  order.subject = fmt::format("import {} from {}: {}", table, named, found.counts());
  order.body = caller.reason;
  order.trailers = {{"Lockstep-Import", name}, {"Lockstep-Import-Sha256", sha256(csv).hex()}};
  if (!import.author.empty()) order.trailers["Lockstep-Import-By"] = caller.user;
  const std::string commit = parts.open_writer(source)->write(order, {found.change});
  if (commit != order.base) out["commit"] = commit;
  return out;
}

}  // namespace lockstep
