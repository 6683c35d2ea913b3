// Which tables a commit has, with their hashes and schemas: taken once, then known for ever, and
// from one commit to the next only for the tables that changed. Knows nothing of rows.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "connectors/dolt/link.h"
#include "connectors/sql/column.h"
#include "pipeline/core/source.h"

namespace lockstep {

struct DoltTable {
  std::string name;
  std::string commit;
  std::vector<SqlColumn> columns;
  std::vector<std::string> key;  // in the key's own order; empty: keyless

  // Throws not_found, naming the columns there are.
  const SqlColumn& column(const std::string& name) const;
  const SqlColumn* find(const std::string& name) const;
};

class DoltTablesAt {
 public:
  explicit DoltTablesAt(DoltLink& link);

  // Table → hash.
  const std::map<std::string, std::string>& hashes(const std::string& commit);
  const DoltTable& open(const std::string& commit, const std::string& table);

 private:
  using Hashes = std::map<std::string, std::string>;
  struct Known {
    std::string commit;
    Hashes hashes;
  };
  std::vector<std::string> names(const std::string& commit);
  // The tables that differ between two commits, as (name before, name after); "" where there is
  // none. Throws not_found where one of the commits is gone.
  std::vector<std::pair<std::string, std::string>> changed(const std::string& from,
                                                           const std::string& to);
  void take(const std::string& commit, const std::vector<std::string>& tables, Hashes& hashes);
  Error missing(const std::string& commit, const std::string& table);
  DoltTable describe(const std::string& commit, const std::string& table);

  DoltLink& link_;
  std::deque<Known> known_;  // newest first
  std::map<std::pair<std::string, std::string>, DoltTable> opened_;
};

}  // namespace lockstep
