// The two tables of the examples, as files that git keeps: utterances by client, and the corpus.
// Knows nothing of where the texts come from, and nothing of git.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "examples/sample/wording.h"

namespace lockstep::sample {

// utterances/client=<client>/part.csv: id, text, intent; ids count up from `first_id`.
void write_client(const std::filesystem::path& tables, const std::string& client, int64_t first_id,
                  const std::vector<Utterance>& rows);
// corpus.csv: id, text, label.
void write_corpus(const std::filesystem::path& tables, const std::vector<Utterance>& rows);
// utterances.schema.yaml and corpus.schema.yaml.
void write_schemas(const std::filesystem::path& tables);

// Gives the client's rows that hold `part` in their text and have the label `from` the label
// `to`; returns how many there were. Throws not_found when there are none.
size_t relabel(const std::filesystem::path& tables, const std::string& client,
               const std::string& part, const std::string& from, const std::string& to);

// Rows of a CSV file with a header: its first column is the text, its second the label.
std::vector<Utterance> read_pairs(const std::filesystem::path& csv);

}  // namespace lockstep::sample
