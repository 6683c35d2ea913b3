#include "pipeline/runner/order.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "pipeline/base/error.h"
#include "pipeline/base/folder.h"

namespace lockstep {
namespace {

constexpr size_t kMaxItems = 10'000;
constexpr size_t kMaxText = 128 * 1024;  // Linux: MAX_ARG_STRLEN, one argument or variable
constexpr size_t kMaxScript = 1 << 20;
constexpr int64_t kMaxMs = 366ll * 86'400'000;

[[noreturn]] void bad(std::string_view field, std::string_view why) {
  throw Error(ErrorCode::kInvalid, fmt::format("attempt: `{}` {}", field, why));
}

bool letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Reads the fields of one object and, at the end, refuses those nobody asked for.
class Fields {
 public:
  Fields(const Json& json, std::string what) : json_(json), what_(std::move(what)) {
    if (!json.is_object()) bad(what_, "is not an object");
  }

  const Json* find(const char* key) {
    seen_.insert(key);
    auto it = json_.find(key);
    return it == json_.end() || it->is_null() ? nullptr : &*it;
  }
  std::string text(const char* key, size_t max_bytes = kMaxText) {
    const Json* value = find(key);
    return value ? text_of(*value, key, max_bytes) : "";
  }
  int64_t integer(const char* key, int64_t fallback, int64_t low, int64_t high) {
    const Json* value = find(key);
    if (!value) return fallback;
    bool small = value->is_number_integer() &&
                 (!value->is_number_unsigned() || value->get<uint64_t>() <= INT64_MAX);
    if (!small || value->get<int64_t>() < low || value->get<int64_t>() > high) {
      bad(key, fmt::format("is not an integer from {} to {}", low, high));
    }
    return value->get<int64_t>();
  }
  void finish() {
    for (const auto& [key, value] : json_.items()) {
      if (!seen_.contains(key)) bad(printable(key), "is not a field this runner knows");
    }
  }

  static std::string text_of(const Json& value, std::string_view key, size_t max_bytes) {
    if (!value.is_string()) bad(key, "is not text");
    const auto& text = value.get_ref<const std::string&>();
    if (text.size() > max_bytes) bad(key, fmt::format("is longer than {} bytes", max_bytes));
    if (text.find('\0') != text.npos) bad(key, "holds a NUL byte");
    return text;
  }

 private:
  const Json& json_;
  std::string what_;
  std::set<std::string> seen_;
};

std::map<std::string, std::string> read_map(const Json* json, const char* key) {
  std::map<std::string, std::string> map;
  if (!json) return map;
  if (!json->is_object() || json->size() > kMaxItems) bad(key, "is not a small object");
  for (const auto& [name, value] : json->items()) {
    map[name] = Fields::text_of(value, key, kMaxText);
  }
  return map;
}

void check_variable(const std::string& name, const char* field) {
  bool good =
      !name.empty() && name.size() <= 256 && !(name[0] >= '0' && name[0] <= '9') &&
      std::all_of(name.begin(), name.end(), [](char c) { return letter_or_digit(c) || c == '_'; });
  if (!good) bad(field, "names a variable that is not [A-Za-z_][A-Za-z0-9_]*: " + printable(name));
  if (name.starts_with("LOCKSTEP_") || name == "CUDA_VISIBLE_DEVICES") {
    bad(field, "may not set " + name);
  }
}

bool valid_input_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 && letter_or_digit(name[0]) &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return letter_or_digit(c) || c == '_' || c == '-' || c == '.' || c == '~';
         });
}

bool valid_action(std::string_view uses) {
  size_t name = uses.find('/') + 1;
  return uses.size() <= 128 && (uses.starts_with("torch/") || uses.starts_with("data/")) &&
         uses.size() > name &&
         std::all_of(uses.begin() + static_cast<ptrdiff_t>(name), uses.end(),
                     [](char c) { return letter_or_digit(c) || c == '-' || c == '_'; });
}

void read_program(Fields& fields, Order& order) {
  if (const Json* argv = fields.find("argv")) {
    if (!argv->is_array() || argv->empty() || argv->size() > kMaxItems) {
      bad("argv", "is not a list of arguments");
    }
    for (const Json& item : *argv) order.argv.push_back(Fields::text_of(item, "argv", kMaxText));
    if (order.argv[0].empty()) bad("argv", "names no program");
  }
  order.uses = fields.text("uses");
  order.shell = fields.text("shell", kMaxScript);
  if (!order.uses.empty() && !valid_action(order.uses)) {
    bad("uses", "is no action this runner has: " + printable(order.uses));
  }
  if (int(!order.argv.empty()) + int(!order.uses.empty()) + int(!order.shell.empty()) != 1) {
    bad("argv", "or `uses` or `shell`: exactly one of them is wanted");
  }
}

void read_inputs(Fields& fields, Order& order) {
  const Json* inputs = fields.find("inputs");
  if (!inputs) return;
  if (!inputs->is_array() || inputs->size() > kMaxItems) bad("inputs", "is not a list");
  std::set<std::string> variables;
  for (const Json& item : *inputs) {
    Fields one(item, "inputs");
    OrderInput input;
    input.name = one.text("name");
    input.file = one.text("file");
    input.digest = Digest::parse(one.text("digest"));
    if (const Json* folder = one.find("folder")) {
      if (!folder->is_boolean()) bad("folder", "is not true or false");
      input.folder = *folder;
    }
    one.finish();
    if (input.file.empty()) input.file = input.name;
    if (!valid_input_name(input.name)) bad("inputs", "has a name like " + printable(input.name));
    if (!valid_relative_path(input.file) || input.file.find('/') != std::string::npos) {
      bad("inputs", "has a file name like " + printable(input.file));
    }
    if (!variables.insert(input_variable(input.name)).second) {
      bad("inputs", "has two names that become " + input_variable(input.name));
    }
    order.inputs.push_back(std::move(input));
  }
}

void read_outputs(Fields& fields, Order& order) {
  order.outputs = read_map(fields.find("outputs"), "outputs");
  std::vector<std::string> paths;
  for (const auto& [name, path] : order.outputs) {
    if (!valid_input_name(name)) bad("outputs", "has a name like " + printable(name));
    if (!valid_relative_path(path)) bad("outputs", "has a path like " + printable(path));
    for (const std::string& other : paths) {
      if (path == other || path.starts_with(other + "/") || other.starts_with(path + "/")) {
        bad("outputs", fmt::format("overlap: {} and {}", other, path));
      }
    }
    paths.push_back(path);
  }
}

void read_slot(Fields& fields, Order& order) {
  const Json* slot = fields.find("slot");
  if (!slot) return;
  Fields one(*slot, "slot");
  order.slot = one.text("name", 256);
  order.cuda = one.text("cuda", 256);
  one.finish();
  for (char c : order.cuda) {
    if (!letter_or_digit(c) && c != ',' && c != '-') bad("cuda", "is no list of devices");
  }
}

}  // namespace

bool valid_attempt_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 && letter_or_digit(id[0]) &&
         std::all_of(id.begin(), id.end(),
                     [](char c) { return letter_or_digit(c) || c == '.' || c == '_' || c == '-'; });
}

std::string input_variable(std::string_view name) {
  std::string variable = "LOCKSTEP_INPUT_";
  for (char c : name) {
    bool lower = c >= 'a' && c <= 'z';
    variable += lower ? static_cast<char>(c - 'a' + 'A') : letter_or_digit(c) ? c : '_';
  }
  return variable;
}

Order read_order(const Json& json) {
  Fields fields(json, "attempt");
  Order order;
  order.id = fields.text("id");
  if (!valid_attempt_id(order.id)) bad("id", "is not an attempt id: " + printable(order.id));
  order.step = fields.text("step", 1024);
  read_program(fields, order);
  if (const Json* with = fields.find("with")) {
    if (!with->is_object()) bad("with", "is not an object");
    order.with = canonical_json(*with);
  }
  order.env = read_map(fields.find("env"), "env");
  order.secrets = read_map(fields.find("secrets"), "secrets");
  for (const auto& [name, value] : order.env) check_variable(name, "env");
  for (const auto& [name, value] : order.secrets) check_variable(name, "secrets");
  read_inputs(fields, order);
  if (std::string code = fields.text("code"); !code.empty()) order.code = Digest::parse(code);
  read_outputs(fields, order);
  order.checkpoint = fields.text("checkpoint", 256);
  order.seed = fields.integer("seed", 0, INT64_MIN, INT64_MAX);
  order.timeout_ms = fields.integer("timeout_ms", 0, 0, kMaxMs);
  order.grace_ms = fields.integer("grace_ms", 10'000, 0, kMaxMs);
  read_slot(fields, order);
  order.memory_bytes = static_cast<uint64_t>(fields.integer("memory_bytes", 0, 0, INT64_MAX));
  fields.finish();
  return order;
}

Json write_order(const Order& order) {
  Json inputs = Json::array();
  for (const OrderInput& input : order.inputs) {
    inputs.push_back({{"name", input.name},
                      {"file", input.file},
                      {"digest", input.digest.str()},
                      {"folder", input.folder}});
  }
  Json json = {{"id", order.id},
               {"step", order.step},
               {"with", parse_json(order.with, "with")},
               {"env", order.env},
               {"inputs", inputs},
               {"outputs", order.outputs},
               {"checkpoint", order.checkpoint},
               {"seed", order.seed},
               {"timeout_ms", order.timeout_ms},
               {"grace_ms", order.grace_ms},
               {"slot", {{"name", order.slot}, {"cuda", order.cuda}}},
               {"memory_bytes", order.memory_bytes}};
  if (!order.argv.empty()) json["argv"] = order.argv;
  if (!order.uses.empty()) json["uses"] = order.uses;
  if (!order.shell.empty()) json["shell"] = order.shell;
  if (order.code) json["code"] = order.code->str();
  return json;
}

}  // namespace lockstep
