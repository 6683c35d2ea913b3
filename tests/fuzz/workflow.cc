// A workflow file and the schema file of a table: values, or at least one error with its place.
#include "connectors/git_tables/schema_file.h"
#include "tests/fuzz/fuzz.h"
#include "workflows/language/parse.h"

using namespace lockstep;
using fuzz::claim;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const WorkspaceSources sources{{"tables"}, {"code"}, {"local"}, {"token"}, "", ""};
  Diagnostics diagnostics;
  std::optional<Workflow> workflow;
  fuzz::reads(
      [&] { workflow = parse_workflow(text, "workflows/fuzz.yaml", sources, diagnostics); });
  claim(!workflow || diagnostics.ok(), "a workflow or what is wrong with it");
  if (workflow) {
    Diagnostics between;
    fuzz::reads([&] { check_workflows({*workflow, *workflow}, sources, between); });
    claim(!between.ok(), "two workflows of one name are refused");
    fuzz::reads([&] { check_workflows({*workflow}, sources, diagnostics); });
  }
  for (const Error& error : diagnostics.errors())
    claim(!error.where.empty(), "errors have a place");
  TableFileSchema schema;
  if (fuzz::reads([&] { schema = read_schema_file(text, "table.schema.yaml"); })) {
    claim(!schema.schema.key.empty(), "a table has a key");
    claim(schema.types.size() == schema.schema.columns.size(), "a type for each column");
  }
  return 0;
}
