#include "pipeline/snapshot/manifest.h"

#include <algorithm>

#include "pipeline/base/error.h"
#include "pipeline/base/text.h"
#include "pipeline/snapshot/merge.h"

namespace lockstep {
namespace {

constexpr int kFormat = 1;

Json key_json(const Row& key) {
  Json out = Json::array();
  for (const Value& cell : key) {
    if (cell.tag == ValueTag::kNull) {
      out.push_back(nullptr);
    } else {
      out.push_back(cell.tag == ValueTag::kBytes ? base64(cell.payload) : display(cell));
    }
  }
  return out;
}

Json files_json(const std::vector<KeyedFile>& files) {
  Json out = Json::array();
  for (const KeyedFile& one : files) {
    out.push_back({{"digest", one.file.digest.hex()},
                   {"rows", one.file.rows},
                   {"first", one.first},
                   {"last", one.last}});
  }
  return out;
}

ValueTag tag_of(const std::string& text) {
  for (int tag = 1; tag <= static_cast<int>(ValueTag::kJson); ++tag) {
    if (word(static_cast<ValueTag>(tag)) == text) return static_cast<ValueTag>(tag);
  }
  throw Error(ErrorCode::kInvalid, "no type " + printable(text, 40));
}

std::vector<KeyedFile> read_files(const Json& json) {
  std::vector<KeyedFile> out;
  for (const Json& one : json) {
    out.push_back({{Digest::parse(one.at("digest").get<std::string>()), one.at("rows")},
                   one.at("first"),
                   one.at("last")});
  }
  return out;
}

Manifest read_manifest(const Json& json) {
  if (json.at("format") != kFormat) throw Error(ErrorCode::kInvalid, "another format");
  Manifest out;
  for (const Json& column : json.at("columns")) {
    out.schema.columns.push_back({column.at(0), tag_of(column.at(1))});
  }
  json.at("key").get_to(out.schema.key);
  json.at("rows").get_to(out.rows);
  out.layers.push_back({read_files(json.at("files")), {}});
  for (const Json& delta : json.at("deltas")) {
    out.layers.push_back({read_files(delta.at("put")), read_files(delta.at("gone"))});
  }
  out.key_positions();
  return out;
}

}  // namespace

KeyedWriter::KeyedWriter(Artifacts& artifacts, std::vector<Column> columns, std::vector<size_t> key)
    : key_(std::move(key)), files_(artifacts, std::move(columns)) {}

void KeyedWriter::add(const Row& row) {
  files_.add(row);
  if (files_.began_file()) ranges_.emplace_back(key_of(row, key_), Row());
  ranges_.back().second = key_of(row, key_);
}

std::vector<KeyedFile> KeyedWriter::finish(bool none) {
  if (none && ranges_.empty()) return {};
  std::vector<DatasetFile> files = files_.finish();
  ranges_.resize(files.size());
  std::vector<KeyedFile> out;
  for (size_t i = 0; i < files.size(); ++i) {
    bool rows = files[i].rows > 0;
    out.push_back({files[i], rows ? key_json(ranges_[i].first) : Json(),
                   rows ? key_json(ranges_[i].second) : Json()});
  }
  return out;
}

uint64_t Layer::size() const {
  uint64_t all = 0;
  for (const KeyedFile& one : put) all += one.file.rows;
  for (const KeyedFile& one : gone) all += one.file.rows;
  return all;
}

std::vector<size_t> Manifest::key_positions() const {
  std::vector<size_t> all;
  for (const std::string& name : schema.key) {
    auto found = std::find_if(schema.columns.begin(), schema.columns.end(),
                              [&](const Column& column) { return column.name == name; });
    auto at = static_cast<size_t>(found - schema.columns.begin());
    if (found == schema.columns.end() || std::count(all.begin(), all.end(), at) > 0) {
      throw Error(ErrorCode::kInvalid,
                  "key column " + printable(name) + " is no column of the snapshot, or is it twice",
                  "read the key's columns, too");
    }
    all.push_back(at);
  }
  return all;
}

std::vector<Column> Manifest::key_columns() const {
  std::vector<Column> all;
  for (size_t at : key_positions()) all.push_back(schema.columns[at]);
  return all;
}

Digest put_manifest(Artifacts& artifacts, const Manifest& manifest) {
  Json columns = Json::array(), deltas = Json::array();
  for (const Column& column : manifest.schema.columns) {
    columns.push_back({column.name, word(column.type)});
  }
  for (size_t i = 1; i < manifest.layers.size(); ++i) {
    const Layer& layer = manifest.layers[i];
    deltas.push_back({{"put", files_json(layer.put)}, {"gone", files_json(layer.gone)}});
  }
  return artifacts.put(canonical_json({{"format", kFormat},
                                       {"columns", columns},
                                       {"key", manifest.schema.key},
                                       {"rows", manifest.rows},
                                       {"files", files_json(manifest.layers.at(0).put)},
                                       {"deltas", deltas}}));
}

Manifest get_manifest(Artifacts& artifacts, const Digest& digest) {
  std::string bytes = artifacts.get(digest);
  std::string why;
  try {
    return read_manifest(parse_json(bytes, "the manifest"));
  } catch (const Json::exception& e) {
    why = e.what();
  } catch (const Error& e) {
    why = e.message;
  }
  throw Error(ErrorCode::kCorrupt, "not a snapshot's manifest: " + why, "", digest.hex());
}

}  // namespace lockstep
