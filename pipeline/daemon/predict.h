// Answers of a model version, computed by lockstep-torch in a process of its own.
// Knows nothing of aliases or channels.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pipeline/core/artifacts.h"
#include "pipeline/daemon/parts.h"

namespace lockstep {

struct Prediction {
  std::string model;
  int64_t version = 0;
  Digest digest;
  std::map<std::string, Digest> upstreams;  // by input name
};

// [{"text","label","score","scores":[…]}], one per text, in their order.
Json run_prediction(const Prediction& wanted, const std::vector<std::string>& texts,
                    Artifacts& artifacts);

// The texts of a table at its head: body {"table","column","where","limit"}.
std::vector<std::string> table_texts(const Parts& parts, SourceSet& sources, const Json& body);

// The branch's head; of a store that can't be reached what it knows by itself, if anything.
std::string newest_commit(TableStore& store);

// The store and the bare name of "source/table" or of a table that one source alone has.
// Throws not_found, or invalid when several sources have it.
std::pair<TableStore*, std::string> find_table(SourceSet& sources, const std::string& name,
                                               std::string* source = nullptr);

}  // namespace lockstep
