// Where a table's files are in a commit's tree: `NAME.csv`, or a folder `NAME/` of CSV files, with
// `NAME.schema.yaml` beside it. Knows nothing of rows; reads trees, and no blob but the schema's.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "connectors/git/repository.h"
#include "connectors/git/trees.h"
#include "connectors/git_tables/schema_file.h"
#include "pipeline/base/error.h"

namespace lockstep {

// One table at one commit.
struct TableAt {
  std::string name;
  std::string commit;
  std::string folder;            // of the tables in the repository; "" or "a/b/"
  std::optional<GitEntry> data;  // the CSV blob or the folder's tree
  std::optional<GitEntry> schema_file;
  TableFileSchema schema;

  bool is_folder() const { return data && data->kind == GitKind::kTree; }
  // `path` is relative to the table's folder.
  std::string path_of(const std::string& path) const;
};

struct TableFile {
  std::string path;  // in the repository
  std::string blob;
  std::optional<Value> partition;  // of the hive folder it is in
};

// Takes away folders that need not be read; gets the partition value of the folder.
using PartitionFilter = std::function<bool(const Value&)>;

class TableLayout {
 public:
  // `folder` in the repository holds the tables; empty: its root. `source` is for messages.
  TableLayout(const GitRepository& repository, std::string source, std::string folder);

  struct Listed {
    std::optional<GitEntry> csv, folder, schema;
    // Changes when the data or the schema may have changed.
    std::string hash() const;
  };
  // By name: each `NAME.csv`, and each folder with a `NAME.schema.yaml` beside it. Names that
  // unsafe_name refuses are passed over.
  std::map<std::string, Listed> list(const std::string& commit) const;

  // Throws not_found (no such table; near names), invalid (no schema file: the hint is one that
  // could be; a schema that is wrong), conflict (a file and a folder of one name).
  TableAt open(const std::string& commit, const std::string& table) const;

  // The table's CSV files. Throws invalid for what is no CSV file, links,
  // submodules, and folders `x=…` where x is not the partition column. Names that begin with '.'
  // or '_' are passed over, as Hive does.
  std::vector<TableFile> files(const TableAt& table, const PartitionFilter& wanted) const;

  // What differs between two commits of one table: one path with other bytes, or a file that is on
  // one side only. Trees with equal ids are not read.
  struct FileChange {
    std::optional<TableFile> before, after;
  };
  std::vector<FileChange> difference(const TableAt& before, const TableAt& after) const;

  // "tables@1f3c9ab5d2e4:utterances.csv"
  std::string place(const std::string& commit, const std::string& path) const;

 private:
  std::optional<TableFile> file(const TableAt& table, const GitEntry& entry) const;
  std::optional<Value> partition_of(const TableAt& table, const std::string& path) const;
  std::string schema_hint(const TableAt& table) const;
  Error missing(const std::string& commit, const std::string& table) const;

  const GitRepository& repository_;
  std::string source_;
  std::string folder_;  // "" or ends in '/'
};

}  // namespace lockstep
