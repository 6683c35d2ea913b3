#include "pipeline/daemon/predict.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "pipeline/base/error.h"
#include "pipeline/base/process.h"

namespace lockstep {

Json run_prediction(const Prediction& wanted, const std::vector<std::string>& texts,
                    Artifacts& artifacts) {
  if (texts.empty()) {
    throw Error(ErrorCode::kInvalid, "there is nothing to answer", "give --text or --table");
  }
  std::string trunk;
  for (const auto& [input, digest] : wanted.upstreams) {
    artifacts.get(digest);  // verified: a damaged file answers nothing
    trunk = artifacts.path(digest).string();
  }
  artifacts.get(wanted.digest);
  ProcessRequest call;
  call.argv = {Parts::program("lockstep-torch").string(), "predict", "--model",
               artifacts.path(wanted.digest).string(),    "--stdin", "--json"};
  if (!trunk.empty()) call.argv.insert(call.argv.end(), {"--trunk", trunk});
  for (const std::string& text : texts) call.input += Json(text).dump() + "\n";
  ProcessResult result = run_process(call);
  if (!result.ok()) {
    std::string said = result.err.substr(0, result.err.find('\n'));
    throw Error(
        ErrorCode::kInvalid,
        fmt::format("{}@{} can't answer: {}", wanted.model, wanted.version,
                    said.empty() ? "lockstep-torch failed" : replace_invalid_utf8(said)),
        "only models made by torch/text-adapter answer here; others bring their own program");
  }
  Json answers = Json::array();
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);) {
    answers.push_back(parse_json(line, "an answer of lockstep-torch"));
  }
  return answers;
}

std::string newest_commit(TableStore& store) {
  try {
    return store.head();
  } catch (const Error& error) {
    if (error.code != ErrorCode::kUnavailable) throw;
    return store.resolve("HEAD");
  }
}

std::pair<TableStore*, std::string> find_table(SourceSet& sources, const std::string& name,
                                               std::string* source) {
  size_t slash = name.find('/');
  std::vector<std::string> having;
  for (auto& [known, store] : sources.tables) {
    if (slash != std::string::npos && name.substr(0, slash) != known) continue;
    std::string table = slash == std::string::npos ? name : name.substr(slash + 1);
    for (const TableInfo& info : store->tables(newest_commit(*store))) {
      if (info.name == table) having.push_back(known);
    }
  }
  if (having.size() > 1) {
    throw Error(ErrorCode::kInvalid, fmt::format("several sources have a table {}", name),
                fmt::format("write {}/{}", having[0], name));
  }
  if (having.empty()) {
    throw Error(ErrorCode::kNotFound, "no source has a table " + name,
                "`lockstep tables` lists them");
  }
  if (source) *source = having[0];
  return {sources.tables.at(having[0]).get(),
          slash == std::string::npos ? name : name.substr(slash + 1)};
}

std::vector<std::string> table_texts(const Parts&, SourceSet& sources, const Json& body) {
  auto [store, table] = find_table(sources, body.at("table").get<std::string>());
  std::string column = body.value("column", "");
  TableRead request;
  request.commit = store->head();
  request.table = table;
  request.columns = {column.empty() ? "text" : column};
  request.where = body.value("where", std::map<std::string, std::string>());
  size_t limit = body.value("limit", size_t{10'000});
  std::vector<std::string> texts;
  store->read(request, [&](const Row& row) {
    if (texts.size() < limit && row[0].tag != ValueTag::kNull) texts.push_back(display(row[0]));
  });
  return texts;
}

}  // namespace lockstep
