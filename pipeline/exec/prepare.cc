#include "pipeline/exec/prepare.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"
#include "pipeline/core/slice.h"
#include "pipeline/exec/row_files.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxCodeFile_bytes = 1ull << 30;

// A row is read with the delivered columns, then the holdout's key, then the columns in `empty`.
struct Delivery {
  std::vector<Column> columns;     // delivered, in order
  std::vector<std::string> key;    // of the holdout, sorted by name
  std::vector<std::string> empty;  // must be NULL or empty
  TableRead request;

  bool wants(const Row& row) const {
    return std::all_of(row.end() - static_cast<std::ptrdiff_t>(empty.size()), row.end(),
                       [](const Value& value) { return value.payload.empty(); });
  }
  Row key_of(const Row& row) const {
    auto begin = row.begin() + static_cast<std::ptrdiff_t>(columns.size());
    return Row(begin, begin + static_cast<std::ptrdiff_t>(key.size()));
  }
};

Delivery plan_delivery(const Json& input, TableStore& store) {
  Delivery out;
  out.request.commit = input.at("commit");
  out.request.table = input.at("table");
  for (const auto& [column, value] : input.at("where").items()) {
    if (value == "") {
      out.empty.push_back(column);  // stores look for values: NULL is none
    } else {
      out.request.where[column] = value;
    }
  }
  auto& asked = out.request.columns;
  asked = input.at("columns").get<std::vector<std::string>>();
  std::map<std::string, ValueTag> types;
  for (const Column& column : store.schema(out.request.commit, out.request.table).columns) {
    types[column.name] = column.type;
  }
  if (asked.empty()) {
    for (const auto& [name, type] : types) asked.push_back(name);
  }
  for (const std::string& name : asked) out.columns.push_back({name, types[name]});
  if (input.contains("holdout")) {
    out.key = input.at("holdout").at("key").get<std::vector<std::string>>();
    std::sort(out.key.begin(), out.key.end());
  }
  asked.insert(asked.end(), out.key.begin(), out.key.end());
  asked.insert(asked.end(), out.empty.begin(), out.empty.end());
  return out;
}

void add_rows(const Json& input, const PrepareFrom& from, Artifacts& artifacts, AttemptSpec& spec) {
  auto store = from.tables.find(input.at("source").get<std::string>());
  if (store == from.tables.end()) {
    throw Error(ErrorCode::kNotFound, fmt::format("source {} is no longer in the workspace",
                                                  input.at("source").get<std::string>()));
  }
  Delivery delivery = plan_delivery(input, *store->second);
  std::string format = input.at("format");
  auto train = row_files(format, delivery.columns, artifacts);
  auto held_out = row_files(format, delivery.columns, artifacts);
  double fraction = delivery.key.empty() ? 0 : input.at("holdout").at("fraction").get<double>();
  std::string salt = delivery.key.empty() ? "" : input.at("holdout").at("salt");
  store->second->read(delivery.request, [&](const Row& row) {
    if (!delivery.wants(row)) return;
    bool out = false;
    if (!delivery.key.empty()) {
      out = holdout_position(salt, row_bytes(delivery.key, delivery.key_of(row))) < fraction;
    }
    (out ? held_out : train)->add(row);
  });
  std::string name = input.at("name");
  spec.inputs.push_back(train->finish(name, name));
  if (delivery.key.empty()) return;
  spec.inputs.push_back(held_out->finish(name + "_HOLDOUT", name + ".holdout"));
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
  }
  return spec;
}

}  // namespace lockstep
