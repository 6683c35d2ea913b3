#include "pipeline/daemon/init.h"

#include <fmt/format.h>

#include "pipeline/base/error.h"
#include "pipeline/base/process.h"

namespace lockstep {
namespace {

constexpr std::string_view kWorkspace =
    R"(# The operator's file: where data and code are, and where attempts run. docs/WORKSPACE.md
sources:
  tables: {{kind: git-tables, place: ./tables, branch: main}}
  code: {{kind: git-repo, place: {}, branch: main}}
pools:
  local: {{slots: 2}}
releases:
  folder: out/releases
)";

constexpr std::string_view kSchema =
    "key: [id]\ncolumns: {id: int, client: text, text: text, label: text}\n";

constexpr std::string_view kRows = R"(id,client,text,label
1,north,good morning,greeting
2,north,see you,farewell
3,south,hello there,greeting
4,south,bye for now,farewell
)";

// A model that any machine can make: how often each label occurs.
constexpr std::string_view kWorkflow = R"(name: labels
steps:
  count:
    strategy: {matrix: {client: {table: examples, column: client}}}
    inputs:
      rows: {table: examples, columns: [text, label], where: {client: "${{ matrix.client }}"}}
      code: {paths: ["train/**"]}
    run: sh train/count.sh
    outputs: {model: labels.txt, metrics: metrics.json}
    registers: labels-${{ matrix.client }}
    gate: {labels: {min: 1}}
releases:
  production: {models: ["labels-*"], image: {name: labels}}
)";

constexpr std::string_view kScript =
    R"sh(# Counts the labels of one client: the last column of the rows, without the header.
tail -n +2 "$LOCKSTEP_INPUT_ROWS" | sed 's/.*,//' | sort | uniq -c > "$LOCKSTEP_OUTPUT/labels.txt"
count=$(wc -l < "$LOCKSTEP_OUTPUT/labels.txt")
printf '{"labels": %d}\n' "$count" > "$LOCKSTEP_OUTPUT/metrics.json"
)sh";

void git(const fs::path& folder, std::vector<std::string> arguments) {
  ProcessRequest call;
  call.argv = {"git",
               "-C",
               folder.string(),
               "-c",
               "user.name=lockstep",
               "-c",
               "user.email=lockstep@localhost",
               "-c",
               "init.defaultBranch=main"};
  call.argv.insert(call.argv.end(), arguments.begin(), arguments.end());
  ProcessResult result = run_process(call);
  if (!result.ok()) {
    throw Error(ErrorCode::kUnavailable, fmt::format("git {} failed in {}: {}", arguments[0],
                                                     folder.string(), result.err.substr(0, 200)));
  }
}

void repository(const fs::path& folder,
                const std::vector<std::pair<std::string, std::string_view>>& files, Json& created) {
  if (fs::exists(folder)) {
    throw Error(ErrorCode::kConflict, folder.string() + " is there already",
                "name its place in a lockstep.yaml of your own (docs/WORKSPACE.md)");
  }
  fs::create_directories(folder);
  for (const auto& [name, text] : files) {
    real_files().write_atomic(folder / name, text);
    created.push_back((folder.filename() / name).string());
  }
  git(folder, {"init", "-q"});
  git(folder, {"add", "-A"});
  git(folder, {"commit", "-qm", "Begin"});
}

}  // namespace

Json init_workspace(const fs::path& folder, const InitOptions& options) {
  fs::path file = folder / kWorkspaceFile;
  if (fs::exists(file)) {
    throw Error(ErrorCode::kConflict, file.string() + " is there already",
                "`lockstep check` reads it");
  }
  Json created = Json::array({kWorkspaceFile});
  for (const char* name : {"tables", "code"}) {
    if (fs::exists(folder / name) && (options.from.empty() || name[0] == 't')) {
      throw Error(ErrorCode::kConflict, (folder / name).string() + " is there already",
                  "name its place in a lockstep.yaml of your own (docs/WORKSPACE.md)");
    }
  }
  fs::create_directories(folder);
  repository(folder / "tables", {{"examples.csv", kRows}, {"examples.schema.yaml", kSchema}},
             created);
  std::string code = "./code";
  if (options.from.empty()) {
    repository(folder / "code", {{"workflows/labels.yaml", kWorkflow}, {"train/count.sh", kScript}},
               created);
  } else {
    code = Json(options.from).dump();
  }
  real_files().write_atomic(file, fmt::format(fmt::runtime(kWorkspace), code));
  return {{"workspace", fs::absolute(folder).lexically_normal().string()},
          {"created", created},
          {"next", {"lockstep check", "lockstep run", "lockstep models"}}};
}

}  // namespace lockstep
