// Intent data in the JSON form of CLINC150 (Larson et al., EMNLP 2019) as clients' tables.
// Knows nothing of wording files.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "examples/sample/wording.h"

namespace lockstep::sample {

// `data`: {"train": [[text, intent], …], "val": …}; `domains`: {domain: [intent, …]}. The rows of
// train and val by domain; intents of no domain are left out. Throws invalid for other shapes.
std::map<std::string, std::vector<Utterance>> read_domains(const std::filesystem::path& data,
                                                           const std::filesystem::path& domains);

}  // namespace lockstep::sample
