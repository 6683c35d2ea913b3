// CSV: what is read and written again reads the same; after an error reading comes to an end.
#include "pipeline/formats/csv.h"

#include "pipeline/base/json.h"
#include "tests/fuzz/fuzz.h"

using namespace lockstep;
using fuzz::claim;

namespace {

using Rows = std::vector<std::vector<CsvField>>;

Rows all_rows(std::string_view text) {
  CsvReader reader(text, "fuzz.csv");
  Rows rows;
  std::vector<CsvField> row;
  while (reader.next(row)) {
    claim(rows.empty() || row.size() == rows[0].size(), "rows are equally long");
    rows.push_back(row);
  }
  return rows;
}

// NULL is what is empty and not quoted.
std::string written(const Rows& rows) {
  std::string out;
  for (const std::vector<CsvField>& row : rows) {
    std::vector<std::optional<std::string_view>> fields;
    for (const CsvField& field : row) {
      const bool null = field.text.empty() && !field.quoted;
      fields.push_back(null ? std::nullopt : std::optional<std::string_view>(field.text));
    }
    out += csv_row(fields);
  }
  return out;
}

void check_same(const Rows& rows, const Rows& again) {
  claim(rows.size() == again.size(), "as many rows when read again");
  for (size_t r = 0; r < rows.size(); ++r) {
    claim(rows[r].size() == again[r].size(), "as many fields when read again");
    for (size_t f = 0; f < rows[r].size(); ++f) {
      const CsvField &one = rows[r][f], &other = again[r][f];
      claim(one.text == other.text, "the same text when read again");
      claim(valid_utf8(one.text), "fields are UTF-8");
      const bool null = one.text.empty() && !one.quoted;
      claim(null == (other.text.empty() && !other.quoted), "NULL stays NULL");
    }
  }
}

void skip_through(std::string_view text) {
  CsvReader reader(text, "fuzz.csv");
  std::vector<CsvField> row;
  for (size_t steps = 0;; ++steps) {
    claim(steps <= text.size() + 1, "every step goes on in the text");
    bool more = false;
    if (fuzz::reads([&] { more = reader.next(row); })) {
      if (!more) return;
    } else if (!reader.skip_row()) {
      return;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  Rows rows;
  if (fuzz::reads([&] { rows = all_rows(text); })) {
    const std::string first = written(rows);
    check_same(rows, all_rows(first));
    claim(written(all_rows(first)) == first, "there is one way to write it");
  }
  skip_through(text);
  return 0;
}
