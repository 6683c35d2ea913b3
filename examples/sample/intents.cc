#include "examples/sample/intents.h"

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/base/json.h"

namespace lockstep::sample {

namespace {

Json read_json(const fs::path& file) {
  Json read = parse_json(real_files().read(file), file.string());
  if (!read.is_object()) throw Error(ErrorCode::kInvalid, file.string() + " is no JSON object");
  return read;
}

std::map<std::string, std::string> domain_of_intent(const Json& domains) {
  std::map<std::string, std::string> out;
  for (const auto& [domain, intents] : domains.items()) {
    for (const Json& intent : intents) out[intent.get<std::string>()] = domain;
  }
  return out;
}

}  // namespace

std::map<std::string, std::vector<Utterance>> read_domains(const fs::path& data,
                                                           const fs::path& domains) {
  try {
    const auto domain_of = domain_of_intent(read_json(domains));
    const Json all = read_json(data);
    std::map<std::string, std::vector<Utterance>> out;
    for (const char* part : {"train", "val"}) {
      for (const Json& row : all.value(part, Json::array())) {
        const std::string intent = row.at(1);
        const auto domain = domain_of.find(intent);
        if (domain != domain_of.end()) out[domain->second].push_back({row.at(0), intent});
      }
    }
    return out;
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::kInvalid, data.string() + " or " + domains.string() +
                                         " has another shape than CLINC150's: " + e.what());
  }
}

}  // namespace lockstep::sample
