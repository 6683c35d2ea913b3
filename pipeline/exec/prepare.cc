#include "pipeline/exec/prepare.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"
#include "pipeline/core/slice.h"
#include "pipeline/formats/csv.h"

namespace lockstep {
namespace {

constexpr uint64_t kMaxCodeFile_bytes = 1ull << 30;

// A row is read with the delivered columns, then the holdout's key, then the columns in `empty`.
struct Delivery {
  std::vector<std::string> columns;  // delivered, in order
  std::vector<std::string> key;      // of the holdout, sorted by name
  std::vector<std::string> empty;    // must be NULL or empty
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
  out.columns = input.at("columns").get<std::vector<std::string>>();
  if (out.columns.empty()) {
    for (const Column& column : store.schema(out.request.commit, out.request.table).columns) {
      out.columns.push_back(column.name);
    }
    std::sort(out.columns.begin(), out.columns.end());
  }
  out.request.columns = out.columns;
  if (input.contains("holdout")) {
    out.key = input.at("holdout").at("key").get<std::vector<std::string>>();
    std::sort(out.key.begin(), out.key.end());
  }
  auto& asked = out.request.columns;
  asked.insert(asked.end(), out.key.begin(), out.key.end());
  asked.insert(asked.end(), out.empty.begin(), out.empty.end());
  return out;
}

// What a cell is in a CSV file: bytes as base64, as the tables' own files have them.
std::string csv_cell(const Value& value) {
  return value.tag == ValueTag::kBytes ? base64(value.payload) : display(value);
}

Json json_cell(const Value& value) {
  switch (value.tag) {
    case ValueTag::kNull:
      return nullptr;
    case ValueTag::kJson:
      return Json::parse(value.payload);
    case ValueTag::kFloat: {
      // JSON has no infinities: they stay text.
      Json number = Json::parse(display(value), nullptr, false);
      return number.is_number() ? number : Json(display(value));
    }
    case ValueTag::kInt:
      // Integers beyond 64 bits stay exact as text.
      return value.payload.size() <= 18 ? Json(std::stoll(value.payload)) : Json(value.payload);
    default:
      return csv_cell(value);
  }
}

class RowWriter {
 public:
  RowWriter(const std::vector<std::string>& columns, std::string format)
      : columns_(columns), format_(std::move(format)) {
    if (format_ != "csv") return;
    std::vector<std::optional<std::string_view>> header(columns.begin(), columns.end());
    bytes_ = csv_row(header);
  }

  void add(const Row& row) {
    if (format_ == "csv") {
      for (size_t i = 0; i < columns_.size(); ++i) {
        if (i > 0) bytes_ += ',';
        if (row[i].tag == ValueTag::kNull) continue;
        append_csv_field(bytes_, csv_cell(row[i]));
      }
    } else {
      nlohmann::ordered_json line;
      for (size_t i = 0; i < columns_.size(); ++i) line[columns_[i]] = json_cell(row[i]);
      bytes_ += line.dump();
    }
    bytes_ += '\n';
  }

  const std::string& bytes() const { return bytes_; }

 private:
  const std::vector<std::string>& columns_;
  std::string format_;
  std::string bytes_;
};

void add_rows(const Json& input, const PrepareFrom& from, Artifacts& artifacts, AttemptSpec& spec) {
  auto store = from.tables.find(input.at("source").get<std::string>());
  if (store == from.tables.end()) {
    throw Error(ErrorCode::kNotFound, fmt::format("source {} is no longer in the workspace",
                                                  input.at("source").get<std::string>()));
  }
  Delivery delivery = plan_delivery(input, *store->second);
  std::string format = input.at("format");
  RowWriter train(delivery.columns, format), held_out(delivery.columns, format);
  double fraction = delivery.key.empty() ? 0 : input.at("holdout").at("fraction").get<double>();
  std::string salt = delivery.key.empty() ? "" : input.at("holdout").at("salt");
  store->second->read(delivery.request, [&](const Row& row) {
    if (!delivery.wants(row)) return;
    bool out = false;
    if (!delivery.key.empty()) {
      out = holdout_position(salt, row_bytes(delivery.key, delivery.key_of(row))) < fraction;
    }
    (out ? held_out : train).add(row);
  });
  std::string name = input.at("name");
  std::string file = name + "." + format;
  spec.inputs.push_back({name, file, false, artifacts.put(train.bytes())});
  if (!delivery.key.empty()) {
    spec.inputs.push_back(
        {name + "_HOLDOUT", name + ".holdout." + format, false, artifacts.put(held_out.bytes())});
  }
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
