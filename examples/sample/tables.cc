#include "examples/sample/tables.h"

#include <array>
#include <optional>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/formats/csv.h"

namespace lockstep::sample {

namespace {

using Line = std::array<std::optional<std::string_view>, 3>;

std::string line_of(std::string_view id, std::string_view text, std::string_view label) {
  return csv_row(Line{id, text, label});
}

std::string rows_csv(std::string_view header, int64_t first_id,
                     const std::vector<Utterance>& rows) {
  std::string out(header);
  for (const Utterance& row : rows) {
    out += line_of(std::to_string(first_id++), row.text, row.label);
  }
  return out;
}

fs::path client_file(const fs::path& tables, const std::string& client) {
  return tables / "utterances" / ("client=" + client) / "part.csv";
}

constexpr std::string_view kUtterancesSchema =
    "# What the clients' users said, and what they meant by it. One folder per client.\n"
    "columns:\n"
    "  id: int\n"
    "  client: text\n"
    "  text: text\n"
    "  intent: text\n"
    "key: [id]\n"
    "partition: client\n";

constexpr std::string_view kCorpusSchema =
    "# General utterances with labels of their own: what the trunk learns from.\n"
    "columns:\n"
    "  id: int\n"
    "  text: text\n"
    "  label: text\n"
    "key: [id]\n";

}  // namespace

void write_client(const fs::path& tables, const std::string& client, int64_t first_id,
                  const std::vector<Utterance>& rows) {
  real_files().write_atomic(client_file(tables, client),
                            rows_csv("id,text,intent\n", first_id, rows));
}

void write_corpus(const fs::path& tables, const std::vector<Utterance>& rows) {
  real_files().write_atomic(tables / "corpus.csv", rows_csv("id,text,label\n", 1, rows));
}

void write_schemas(const fs::path& tables) {
  real_files().write_atomic(tables / "utterances.schema.yaml", kUtterancesSchema);
  real_files().write_atomic(tables / "corpus.schema.yaml", kCorpusSchema);
}

size_t relabel(const fs::path& tables, const std::string& client, const std::string& part,
               const std::string& from, const std::string& to) {
  const fs::path file = client_file(tables, client);
  const std::string text = real_files().read(file);
  CsvReader reader(text, file.string());
  std::string out;
  size_t changed = 0;
  for (std::vector<CsvField> row; reader.next(row);) {
    const bool hit = row[2].text == from && row[1].text.find(part) != std::string::npos;
    changed += hit ? 1 : 0;
    out += line_of(row[0].text, row[1].text, hit ? to : row[2].text);
  }
  if (changed == 0) {
    throw Error(ErrorCode::kNotFound,
                "no row of " + client + " holds '" + part + "' under the label " + from);
  }
  real_files().write_atomic(file, out);
  return changed;
}

std::vector<Utterance> read_pairs(const fs::path& csv) {
  const std::string text = real_files().read(csv);
  CsvReader reader(text, csv.string());
  std::vector<Utterance> rows;
  std::vector<CsvField> row;
  reader.next(row);  // the header
  while (reader.next(row)) {
    if (row.size() < 2) throw Error(ErrorCode::kInvalid, csv.string() + " has one column only");
    rows.push_back({row[0].text, row[1].text});
  }
  return rows;
}

}  // namespace lockstep::sample
