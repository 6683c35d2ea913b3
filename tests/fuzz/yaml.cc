// The loader of YAML: whatever is loaded has its places inside the text, and can be said as JSON.
#include "pipeline/yaml/yaml.h"

#include <algorithm>

#include "pipeline/base/json.h"
#include "tests/fuzz/fuzz.h"

using namespace lockstep;
using fuzz::claim;

namespace {

size_t check_node(const YamlNode& node, int lines, int depth) {
  claim(depth <= YamlLimits().max_depth + 1, "no deeper than the limit");
  claim(node.place().line >= 1 && node.place().line <= lines, "a node lies in the text");
  size_t nodes = 1;
  for (const YamlNode& item : node.items()) nodes += check_node(item, lines, depth + 1);
  for (const YamlEntry& entry : node.entries()) {
    claim(node.find(entry.key) == &entry.value, "a key is there once");
    claim(valid_utf8(entry.key), "keys are UTF-8");
    nodes += check_node(entry.value, lines, depth + 1);
  }
  claim(valid_utf8(node.text()), "scalars are UTF-8");
  (void)as_int(node), (void)as_double(node), (void)as_bool(node), (void)as_text(node);
  return nodes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  // Every line end that YAML knows.
  const int lines = 2 + static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) {
                      return c == '\n' || c == '\r';
                    }));
  YamlNode root;
  if (!fuzz::reads([&] { root = load_yaml(text, "fuzz.yaml"); })) return 0;
  claim(size <= YamlLimits().max_bytes, "no larger than the limit");
  claim(check_node(root, lines, 0) <= YamlLimits().max_nodes + 1, "no more nodes than the limit");
  Json json;
  if (fuzz::reads([&] { json = to_json(root); })) (void)canonical_json(json);
  return 0;
}
