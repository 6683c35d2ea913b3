#include "pipeline/exec/prepare.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"
#include "pipeline/base/json.h"
#include "pipeline/base/point.h"
#include "pipeline/core/slice.h"
#include "pipeline/exec/row_files.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxCodeFile_bytes = 1ull << 30;

constexpr size_t kTraining = 0, kHeldOut = 1;

// A row is read with the delivered columns, then others that say whether and where it belongs.
struct Delivery {
  std::vector<Column> columns;     // delivered, in order
  std::vector<std::string> key;    // of the holdout, sorted by name
  std::vector<size_t> key_at;      // in a row of `request`
  std::vector<size_t> empty_at;    // must be NULL or empty
  std::vector<std::string> empty;  // their names
  double fraction = 0;
  std::string salt;
  TableRead request;

  size_t parts() const { return key.empty() ? 1 : 2; }
  // Of a row that satisfies request.where; kNoPart: an empty value is asked for, it has another.
  size_t part(const Row& row) const {
    for (size_t at : empty_at) {
      if (!row[at].payload.empty()) return kNoPart;
    }
    if (key.empty()) return kTraining;
    Row cells;
    for (size_t at : key_at) cells.push_back(row[at]);
    return holdout_position(salt, row_bytes(key, cells)) < fraction ? kHeldOut : kTraining;
  }
  // Where `name` is in a row; asks for it where it is not.
  size_t ask(const std::string& name) {
    auto& asked = request.columns;
    auto found = std::find(asked.begin(), asked.end(), name);
    if (found == asked.end()) found = asked.insert(asked.end(), name);
    return static_cast<size_t>(found - asked.begin());
  }
};

Delivery plan_delivery(const Json& input, const TableSchema& schema) {
  Delivery out;
  out.request.commit = input.at("commit");
  out.request.table = input.at("table");
  auto& asked = out.request.columns;
  asked = input.at("columns").get<std::vector<std::string>>();
  std::map<std::string, ValueTag> types;
  for (const Column& column : schema.columns) types[column.name] = column.type;
  if (asked.empty()) {
    for (const auto& [name, type] : types) asked.push_back(name);
  }
  for (const std::string& name : asked) out.columns.push_back({name, types[name]});
  if (input.contains("holdout")) {
    const Json& holdout = input.at("holdout");
    out.key = holdout.at("key").get<std::vector<std::string>>();
    std::sort(out.key.begin(), out.key.end());
    out.fraction = holdout.at("fraction").get<double>();
    out.salt = holdout.at("salt");
  }
  for (const auto& [column, value] : input.at("where").items()) {
    if (value == "") {
      out.empty.push_back(column);  // stores look for values: NULL is none
    } else {
      out.request.where[column] = value;
    }
  }
  return out;
}

// Asked for behind what is delivered, and behind a snapshot's key.
void ask_for_the_rest(Delivery& delivery) {
  for (const std::string& name : delivery.key) delivery.key_at.push_back(delivery.ask(name));
  for (const std::string& name : delivery.empty) delivery.empty_at.push_back(delivery.ask(name));
}

// All rows read, each written into the file of its part.
std::vector<AttemptInput> written(const Json& input, Delivery delivery, TableStore& store,
                                  Artifacts& artifacts) {
  ask_for_the_rest(delivery);
  const std::string format = input.at("format"), name = input.at("name");
  auto train = row_files(format, delivery.columns, artifacts);
  auto held_out = row_files(format, delivery.columns, artifacts);
  store.read(delivery.request, [&](const Row& row) {
    const size_t part = delivery.part(row);
    if (part != kNoPart) (part == kHeldOut ? held_out : train)->add(row);
  });
  point("rows.read");
  std::vector<AttemptInput> out = {train->finish(name, name)};
  point("rows.kept");
  if (delivery.parts() > 1) out.push_back(held_out->finish(name + "_HOLDOUT", name + ".holdout"));
  return out;
}

// What a snapshot of these rows holds, and of which rows: without a commit.
Digest slice_id(const Json& input, const Delivery& delivery, const SnapshotSchema& schema) {
  Json columns = Json::array();
  for (const Column& column : schema.columns) columns.push_back({column.name, word(column.type)});
  return sha256(canonical_json({{"source", input.at("source")},
                                {"table", input.at("table")},
                                {"columns", columns},
                                {"key", schema.key},
                                {"where", input.at("where")},
                                {"holdout", delivery.key},
                                {"fraction", delivery.fraction},
                                {"salt", delivery.salt}}));
}

// Brought forward from an earlier delivery.
std::vector<AttemptInput> kept(const Json& input, Delivery delivery, const TableSchema& table,
                               TableStore& store, Artifacts& artifacts, const SnapshotUse& use) {
  SliceOrder order;
  order.delivered = delivery.columns.size();
  order.schema = {delivery.columns, table.key};
  for (const std::string& name : table.key) {
    if (delivery.ask(name) < order.schema.columns.size()) continue;
    auto named = [&](const Column& column) { return column.name == name; };
    order.schema.columns.push_back(
        *std::find_if(table.columns.begin(), table.columns.end(), named));
  }
  ask_for_the_rest(delivery);
  std::vector<std::pair<size_t, std::string>> equal;  // a difference tells of other rows, too
  for (const auto& [column, payload] : delivery.request.where) {
    equal.emplace_back(delivery.ask(column), payload);
  }
  order.read = delivery.request;
  order.parts = delivery.parts();
  order.slice = slice_id(input, delivery, order.schema);
  order.part = [&](const Row& row) {
    for (const auto& [at, payload] : equal) {
      if (row[at].tag == ValueTag::kNull || row[at].payload != payload) return kNoPart;
    }
    return delivery.part(row);
  };
  const std::string name = input.at("name");
  std::vector<AttemptInput> out;
  for (const auto& files : deliver_slice(order, store, artifacts, use)) {
    const bool first = out.empty();
    out.push_back({first ? name : name + "_HOLDOUT", first ? name : name + ".holdout", true,
                   put_dataset_folder(artifacts, files)});
  }
  return out;
}

// An evaluation gets rows under the one name, whether they are a part or, of expectations, all.
AttemptInput held_out(const Json& input, AttemptInput delivered) {
  const std::string name = input.at("name");
  if (delivered.name == name) {
    delivered.name += "_HOLDOUT";
    delivered.file.insert(name.size(), ".holdout");
  }
  return delivered;
}

void add_rows(const Json& input, const PrepareFrom& from, Artifacts& artifacts, AttemptSpec& spec) {
  auto found = from.tables.find(input.at("source").get<std::string>());
  if (found == from.tables.end()) {
    throw Error(ErrorCode::kNotFound, fmt::format("source {} is no longer in the workspace",
                                                  input.at("source").get<std::string>()));
  }
  TableStore& store = *found->second;
  const TableSchema table = store.schema(input.at("commit"), input.at("table"));
  Delivery delivery = plan_delivery(input, table);
  const bool keep = from.snapshots && input.at("format") == "arrow" && !table.key.empty();
  std::vector<AttemptInput> delivered =
      keep ? kept(input, std::move(delivery), table, store, artifacts, *from.snapshots)
           : written(input, std::move(delivery), store, artifacts);
  if (input.value("only_holdout", false))
    delivered = {held_out(input, std::move(delivered.back()))};
  for (AttemptInput& one : delivered) spec.inputs.push_back(std::move(one));
}

// A link inside the listing is delivered as what it points to; any other was refused by list().
const CodePath& followed(const CodePath& path, const std::vector<CodePath>& all, CodeRepo& repo) {
  const CodePath* at = &path;
  for (int hops = 0; at->mode == "120000"; ++hops) {
    std::string target = repo.blob(at->blob, 4096);
    std::string folder = at->path.substr(0, at->path.rfind('/') + 1);
    std::string joined = std::filesystem::path(folder + target).lexically_normal().string();
    auto found = std::find_if(all.begin(), all.end(),
                              [&](const CodePath& one) { return one.path == joined; });
    if (found == all.end() || hops > 16) {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("link {} points to {}, which is not among the step's code paths",
                              path.path, target),
                  "add its target to `paths`");
    }
    at = &*found;
  }
  return *at;
}

void add_code(const Json& input, const PrepareFrom& from, Artifacts& artifacts,
              std::map<std::string, FolderEntry>& listing) {
  auto source = from.code.find(input.at("source").get<std::string>());
  if (source == from.code.end()) {
    throw Error(ErrorCode::kNotFound, fmt::format("source {} is no longer in the workspace",
                                                  input.at("source").get<std::string>()));
  }
  CodeRepo& repo = *source->second;
  std::vector<CodePath> paths = repo.list(input.at("commit").get<std::string>(),
                                          input.at("paths").get<std::vector<std::string>>());
  for (const CodePath& path : paths) {
    const CodePath& file = followed(path, paths, repo);
    Digest digest = artifacts.put(repo.blob(file.blob, kMaxCodeFile_bytes));
    listing[path.path] = {path.path, digest, file.mode == "100755"};
  }
}

}  // namespace

AttemptSpec prepare_attempt(const std::string& id, const Json& context, const PrepareFrom& from,
                            Artifacts& artifacts) {
  const Json& wanted = context.at("spec");
  AttemptSpec spec;
  spec.id = id;
  spec.step = wanted.at("step");
  spec.uses = wanted.at("uses");
  spec.run = wanted.at("run");
  spec.with = wanted.at("with");
  spec.env = wanted.at("env").get<std::map<std::string, std::string>>();
  for (const Json& name : wanted.at("secrets")) {
    spec.secrets[name] = from.secret(name.get<std::string>());
  }
  spec.outputs = wanted.at("outputs").get<std::map<std::string, std::string>>();
  spec.checkpoint = wanted.at("checkpoint");
  spec.seed = wanted.at("seed");
  spec.timeout_ms = wanted.at("timeout_ms");
  spec.slot = context.value("slot", "");
  std::string device = context.value("device", "cpu");
  spec.cuda_device = device == "cpu" ? "" : device;
  std::map<std::string, FolderEntry> listing;  // by path: inputs may overlap
  for (const Json& input : wanted.at("inputs")) {
    std::string kind = input.at("kind");
    if (kind == "rows") add_rows(input, from, artifacts, spec);
    if (kind == "code") add_code(input, from, artifacts, listing);
    if (kind == "bytes") {
      spec.inputs.push_back({input.at("name"), input.at("file"), input.at("folder"),
                             Digest::parse(input.at("digest").get<std::string>())});
    }
  }
  if (!listing.empty()) {
    std::vector<FolderEntry> entries;
    for (const auto& [path, entry] : listing) entries.push_back(entry);
    spec.code = artifacts.put(folder_listing(std::move(entries)));
    point("code.kept");
  }
  return spec;
}

}  // namespace lockstep
