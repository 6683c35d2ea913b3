#include "pipeline/exec/row_files.h"

#include <optional>

#include "pipeline/base/json.h"
#include "pipeline/base/text.h"
#include "pipeline/formats/csv.h"
#include "pipeline/snapshot/dataset.h"

namespace lockstep {
namespace {

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

class CsvRows : public RowFiles {
 public:
  CsvRows(const std::vector<Column>& columns, Artifacts& artifacts)
      : columns_(columns.size()), artifacts_(artifacts) {
    std::vector<std::optional<std::string_view>> header;
    for (const Column& column : columns) header.push_back(column.name);
    bytes_ = csv_row(header);
  }
  void add(const Row& row) override {
    for (size_t i = 0; i < columns_; ++i) {
      if (i > 0) bytes_ += ',';
      if (row[i].tag != ValueTag::kNull) append_csv_field(bytes_, csv_cell(row[i]));
    }
    bytes_ += '\n';
  }
  AttemptInput finish(const std::string& name, const std::string& file) override {
    return {name, file + ".csv", false, artifacts_.put(bytes_)};
  }

 private:
  size_t columns_;
  Artifacts& artifacts_;
  std::string bytes_;
};

class JsonRows : public RowFiles {
 public:
  JsonRows(std::vector<Column> columns, Artifacts& artifacts)
      : columns_(std::move(columns)), artifacts_(artifacts) {}
  void add(const Row& row) override {
    nlohmann::ordered_json line;
    for (size_t i = 0; i < columns_.size(); ++i) line[columns_[i].name] = json_cell(row[i]);
    bytes_ += line.dump();
    bytes_ += '\n';
  }
  AttemptInput finish(const std::string& name, const std::string& file) override {
    return {name, file + ".jsonl", false, artifacts_.put(bytes_)};
  }

 private:
  std::vector<Column> columns_;
  Artifacts& artifacts_;
  std::string bytes_;
};

class ArrowRows : public RowFiles {
 public:
  ArrowRows(std::vector<Column> columns, Artifacts& artifacts)
      : artifacts_(artifacts), dataset_(artifacts, std::move(columns)) {}
  void add(const Row& row) override { dataset_.add(row); }
  AttemptInput finish(const std::string& name, const std::string& file) override {
    return {name, file, true, put_dataset_folder(artifacts_, dataset_.finish())};
  }

 private:
  Artifacts& artifacts_;
  DatasetWriter dataset_;
};

}  // namespace

std::unique_ptr<RowFiles> row_files(const std::string& format, std::vector<Column> columns,
                                    Artifacts& artifacts) {
  if (format == "arrow") return std::make_unique<ArrowRows>(std::move(columns), artifacts);
  if (format == "jsonl") return std::make_unique<JsonRows>(std::move(columns), artifacts);
  return std::make_unique<CsvRows>(columns, artifacts);
}

}  // namespace lockstep
