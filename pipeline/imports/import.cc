#include "pipeline/imports/import.h"

#include <fmt/format.h>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

class Comparison {
 public:
  Comparison(const TableSchema& schema, Sheet sheet, const ImportRules& rules, size_t max_sample)
      : sheet_(std::move(sheet)),
        rules_(rules),
        max_sample_(max_sample),
        key_(key_places(schema, sheet_.columns)) {}

  // The next row of the table, in key order.
  void meet(const Row& row) {
    while (at_ < sheet_.rows.size() && order(row) < 0) add();
    const bool same_key = at_ < sheet_.rows.size() && order(row) == 0;
    if (!same_key) return leave(row);
    Row& wanted = sheet_.rows[at_++];
    if (wanted == row) {
      ++out_.unchanged;
      return;
    }
    ++out_.changed;
    sample(row, wanted);
    out_.change.put.push_back(std::move(wanted));
  }

  ImportChange finish(const std::string& table) {
    while (at_ < sheet_.rows.size()) add();
    out_.change.table = table;
    out_.change.columns = std::move(sheet_.columns);
    return std::move(out_);
  }

 private:
  std::strong_ordering order(const Row& row) const {
    return compare_keys(sheet_.rows[at_], key_, row, key_);
  }
  void add() {
    ++out_.added;
    sample(std::nullopt, sheet_.rows[at_]);
    out_.change.put.push_back(std::move(sheet_.rows[at_++]));
  }
  void leave(const Row& row) {
    if (!rules_.remove) {
      ++out_.kept;
      return;
    }
    ++out_.removed;
    sample(row, std::nullopt);
    Row key;
    for (const size_t at : key_) key.push_back(row[at]);
    out_.change.remove.push_back(std::move(key));
  }
  void sample(std::optional<Row> before, std::optional<Row> after) {
    if (out_.sample.size() < max_sample_) {
      out_.sample.emplace_back(std::move(before), std::move(after));
    }
  }

  Sheet sheet_;
  const ImportRules& rules_;
  size_t max_sample_;
  std::vector<size_t> key_;
  size_t at_ = 0;
  ImportChange out_;
};

void check_size(const ImportChange& found, const std::string& table, const std::string& place,
                const ImportRules& rules) {
  const uint64_t touched = found.changed + found.removed;
  const uint64_t rows = touched + found.unchanged + found.kept;
  if (rules.accept || touched <= rules.always) return;
  if (static_cast<double>(touched) <= rules.max_change * static_cast<double>(rows)) return;
  throw Error(ErrorCode::kConflict,
              fmt::format("{} would change {} and remove {} of the {} rows of {}: more than {:g} %",
                          place, found.changed, found.removed, rows, table, rules.max_change * 100),
              "look at it with --dry-run --accept-change; if it is meant, import with "
              "--accept-change");
}

}  // namespace

std::string ImportChange::counts() const {
  return fmt::format("{} added, {} changed, {} removed", added, changed, removed);
}

ImportChange compare_sheet(TableStore& store, const std::string& commit, const std::string& table,
                           std::string_view csv, const std::string& place, const ImportRules& rules,
                           size_t max_sample) {
  const TableSchema schema = store.schema(commit, table);
  Sheet sheet = read_sheet(csv, place, schema, rules.columns);
  const bool no_rows = sheet.rows.empty();
  const TableRead request{commit, table, sheet.columns, {}};
  Comparison comparison(schema, std::move(sheet), rules, max_sample);
  store.read(request, [&](const Row& row) { comparison.meet(row); });
  ImportChange found = comparison.finish(table);
  if (no_rows && found.removed + found.kept > 0) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("{} has a header and no rows, but {} has {}", place, table,
                            found.removed + found.kept),
                "an import never empties a table; is it the right sheet?");
  }
  check_size(found, table, place, rules);
  return found;
}

}  // namespace lockstep
