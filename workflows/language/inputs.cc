// A step's matrix and inputs: what it reads, from which source, cut how.
#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "workflows/language/readers.h"
#include "workflows/language/step.h"

namespace lockstep {
namespace {

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The source of something written with or without its prefix.
Prefixed resolve(const std::string& text, char separator, std::string_view kind,
                 const std::vector<std::string>& names, const Place& place,
                 Diagnostics& diagnostics) {
  size_t at = text.find(separator);
  if (at != std::string::npos) {
    Prefixed result{text.substr(0, at), text.substr(at + 1)};
    if (!contains(names, result.source)) {
      diagnostics.error(place,
                        fmt::format("\"{}\": there is no source \"{}\" of {}", shown(text),
                                    shown(result.source), kind),
                        did_you_mean(result.source, names));
    }
    return result;
  }
  if (names.size() == 1) return {names.front(), text};
  if (names.empty()) {
    diagnostics.error(place,
                      fmt::format("\"{}\": the workspace has no source of {}", shown(text), kind),
                      "add one under sources in lockstep.yaml");
  } else {
    diagnostics.error(place,
                      fmt::format("\"{}\" is ambiguous: the workspace has {} sources of {}",
                                  shown(text), names.size(), kind),
                      fmt::format("write {}{}{}", names.front(), separator, shown(text)));
  }
  return {"", text};
}

void read_at(Fields& fields, InputTemplate& input, Diagnostics& diagnostics) {
  const YamlNode* node = fields.take("at");
  if (node == nullptr) return;
  if (auto text = read_text(*node, fields.of("at"), diagnostics)) {
    input.at = *text;
    bool plain = text->find_first_of(" \t~^:?*[\\") == std::string::npos && (*text)[0] != '-' &&
                 text->find("..") == std::string::npos;
    if (!plain) expected(*node, fields.of("at"), "a tag, a branch or a commit", diagnostics);
  }
}

Holdout read_holdout(const YamlNode& node, const std::string& what, Diagnostics& diagnostics) {
  Holdout holdout;
  Fields fields(node, what, diagnostics);
  if (const YamlNode* value = fields.need("fraction", "the part of the rows held out, like 0.2")) {
    auto fraction = as_double(*value);
    if (fraction && *fraction > 0 && *fraction < 1) {
      holdout.fraction = *fraction;
    } else {
      expected(*value, fields.of("fraction"), "a number between 0 and 1", diagnostics);
    }
  }
  if (const YamlNode* value = fields.need("key", "the columns that decide, like [id]")) {
    holdout.key = read_texts(*value, fields.of("key"), diagnostics);
  }
  if (const YamlNode* value = fields.take("salt")) {
    if (auto text = read_text(*value, fields.of("salt"), diagnostics)) holdout.salt = *text;
  }
  fields.finish();
  return holdout;
}

void read_rows(Fields& fields, const YamlNode& table, const StepScope& scope,
               InputTemplate& input) {
  Diagnostics& diagnostics = scope.diagnostics;
  if (auto text = read_text(table, fields.of("table"), diagnostics)) {
    Prefixed found = resolve_table(*text, table.place(), scope.sources, diagnostics);
    input.source = found.source;
    input.table = found.rest;
  }
  read_at(fields, input, diagnostics);
  if (const YamlNode* node = fields.take("columns")) {
    input.columns = read_texts(*node, fields.of("columns"), diagnostics);
  }
  if (const YamlNode* node = fields.take("where")) {
    read_where(*node, fields.of("where"), scope, input);
  }
  if (const YamlNode* node = fields.take("holdout")) {
    input.holdout = read_holdout(*node, fields.of("holdout"), diagnostics);
  }
  if (const YamlNode* node = fields.take("format")) {
    if (auto word =
            read_choice(*node, fields.of("format"), {"csv", "jsonl", "arrow"}, diagnostics)) {
      input.format = *word;
    }
  }
}

void read_code(Fields& fields, const YamlNode& paths, const StepScope& scope,
               InputTemplate& input) {
  Diagnostics& diagnostics = scope.diagnostics;
  std::string what = fields.of("paths");
  read_texts(paths, what, diagnostics);  // reports what is no list of different texts
  for (const YamlNode& item : paths.items()) {
    auto text = as_text(item);
    if (!text || text->empty() || text->find("${{") != std::string::npos) continue;
    Prefixed found = resolve_glob(*text, item.place(), scope.sources, diagnostics);
    check_path(found.rest, item.place(), what, diagnostics);
    if (!input.paths.empty() && found.source != input.source) {
      diagnostics.error(item.place(), what + " come from two sources", "make two inputs of it");
    }
    input.source = found.source;
    input.paths.push_back(found.rest);
  }
  read_at(fields, input, diagnostics);
}

void read_output(Fields& fields, const YamlNode& output, const StepScope& scope,
                 InputTemplate& input) {
  auto text = read_text(output, fields.of("output"), scope.diagnostics);
  if (!text) return;
  size_t dot = text->rfind('.');
  if (dot == std::string::npos || dot == 0 || dot + 1 == text->size()) {
    return expected(output, fields.of("output"), "STEP.OUTPUT as text", scope.diagnostics);
  }
  input.step = text->substr(0, dot);
  input.output = text->substr(dot + 1);
}

void read_by_kind(Fields& fields, const YamlNode& node, const StepScope& scope,
                  InputTemplate& input) {
  const YamlNode* table = fields.take("table");
  const YamlNode* paths = fields.take("paths");
  const YamlNode* output = fields.take("output");
  const YamlNode* model = fields.take("model");
  const YamlNode* previous = fields.take("previous");
  const YamlNode* decides = table    ? table
                            : paths  ? paths
                            : output ? output
                            : model  ? model
                                     : previous;
  if (fields.has("value")) return;  // reported
  int kinds = 0;
  for (const char* word : {"table", "paths", "output", "model", "previous"}) {
    kinds += fields.has(word) ? 1 : 0;
  }
  if (kinds != 1) {
    std::string found = kinds == 0 ? "has none" : "has more";
    scope.diagnostics.error(
        node.place(),
        fmt::format("{} must name one of table, paths, output, model or previous; it {}",
                    fields.what(), found));
  }
  if (kinds != 1 || decides == nullptr) {
    for (const char* word : {"columns", "where", "holdout", "format", "at"}) fields.take(word);
    return;
  }
  input.place = decides->place().str();
  if (table) {
    read_rows(fields, *table, scope, input);
  } else if (paths) {
    input.kind = InputKind::kCode;
    read_code(fields, *paths, scope, input);
  } else if (output) {
    input.kind = InputKind::kOutput;
    read_output(fields, *output, scope, input);
  } else if (previous) {
    input.kind = InputKind::kPrevious;
    input.previous = read_text(*previous, fields.of("previous"), scope.diagnostics).value_or("");
  } else {
    input.kind = InputKind::kModel;
    auto text = read_template(*model, fields.of("model"), scope.values(), scope.diagnostics);
    if (text) input.model = *text;
  }
}

InputTemplate read_input(const YamlEntry& entry, const StepScope& scope) {
  InputTemplate input;
  input.name = entry.key;
  input.place = entry.key_place.str();
  Fields fields(entry.value, fmt::format("input \"{}\"", shown(entry.key)), scope.diagnostics);
  if (!fields.is_map()) return input;
  fields.instead("value", "pass values through with or env");
  read_by_kind(fields, entry.value, scope, input);
  fields.finish();
  return input;
}

// LOCKSTEP_INPUT_<this>
std::string variable_of(std::string name) {
  for (char& c : name)
    c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

std::vector<std::string> read_list_axis(const YamlNode& node, const std::string& what,
                                        Diagnostics& diagnostics) {
  std::vector<std::string> values;
  std::set<std::string> seen;
  if (node.items().empty()) expected(node, what, "a list of values", diagnostics);
  for (const YamlNode& item : node.items()) {
    auto text = read_scalar(item, "an entry of " + what, diagnostics);
    if (!text) continue;
    if (text->empty() || text->find("${{") != std::string::npos) {
      expected(item, "an entry of " + what, "a plain value", diagnostics);
    } else if (!seen.insert(*text).second) {
      diagnostics.error(item.place(), fmt::format("{} has \"{}\" twice", what, shown(*text)));
    }
    values.push_back(*text);
  }
  return values;
}

void read_table_axis(const YamlNode& node, const std::string& what, const StepScope& scope,
                     MatrixAxis& axis) {
  Diagnostics& diagnostics = scope.diagnostics;
  Fields fields(node, what, diagnostics);
  if (!fields.is_map()) return;
  if (const YamlNode* table = fields.need("table", "whose rows give the values")) {
    if (auto text = read_text(*table, fields.of("table"), diagnostics)) {
      Prefixed found = resolve_table(*text, table->place(), scope.sources, diagnostics);
      axis.source = found.source;
      axis.table = found.rest;
      axis.place = table->place().str();
    }
  }
  if (const YamlNode* column = fields.need("column", "the column with the values")) {
    axis.column = read_text(*column, fields.of("column"), diagnostics).value_or("");
  }
  if (const YamlNode* null_as = fields.take("map-null")) {
    axis.null_as = read_text(*null_as, fields.of("map-null"), diagnostics);
  }
  fields.finish();
}

}  // namespace

void read_where(const YamlNode& node, const std::string& what, const StepScope& scope,
                InputTemplate& input) {
  Fields fields(node, what, scope.diagnostics);
  if (node.is_map() && node.entries().empty()) {
    expected(node, what, "a map of columns to values", scope.diagnostics);
  }
  for (const YamlEntry& entry : node.entries()) {
    const YamlNode* value = fields.take(entry.key);
    if (value == nullptr) continue;
    auto text = read_template(*value, fields.of(entry.key), scope.values(), scope.diagnostics);
    if (text) input.where[entry.key] = *text;
  }
}

Prefixed resolve_table(const std::string& text, const Place& place, const WorkspaceSources& sources,
                       Diagnostics& diagnostics) {
  Prefixed found = resolve(text, '/', "tables", sources.tables, place, diagnostics);
  check_path(found.rest, place, "a table's name", diagnostics);
  return found;
}

Prefixed resolve_glob(const std::string& text, const Place& place, const WorkspaceSources& sources,
                      Diagnostics& diagnostics) {
  return resolve(text, ':', "code", sources.code, place, diagnostics);
}

std::vector<InputTemplate> read_inputs(const YamlNode& node, const StepScope& scope) {
  std::vector<InputTemplate> inputs;
  Fields fields(node, "\"inputs\" of " + scope.what, scope.diagnostics);
  std::set<std::string> variables;
  for (const YamlEntry& entry : node.entries()) {
    check_word(entry.key, entry.key_place, fields.what(), scope.diagnostics);
    inputs.push_back(read_input(entry, scope));
    std::string variable = variable_of(entry.key);
    bool clash = !variables.insert(variable).second;
    if (inputs.back().holdout) clash = !variables.insert(variable + "_HOLDOUT").second || clash;
    if (clash) {
      scope.diagnostics.error(
          entry.key_place,
          fmt::format("two inputs of {} would share a variable LOCKSTEP_INPUT_{}", scope.what,
                      shown(variable)),
          "rename one");
    }
  }
  return inputs;
}

void check_previous(const StepTemplate& step, const std::string& what, Diagnostics& diagnostics) {
  for (const InputTemplate& input : step.inputs) {
    if (input.kind != InputKind::kPrevious || input.previous.empty()) continue;
    const Place place = parse_place(input.place);
    if (step.registers) {
      diagnostics.error(place, fmt::format("{} registers a model, and reads earlier rows", what),
                        "its bytes would depend on what came before; look at the rows in another "
                        "step");
    }
    std::vector<std::string> names;
    const InputTemplate* rows = nullptr;
    for (const InputTemplate& one : step.inputs) {
      if (one.kind != InputKind::kRows) continue;
      names.push_back(one.name);
      if (one.name == input.previous) rows = &one;
    }
    if (rows == nullptr) {
      diagnostics.error(place,
                        fmt::format("\"previous\" of input \"{}\": {} has no input \"{}\" with "
                                    "rows of a table",
                                    shown(input.name), what, shown(input.previous)),
                        did_you_mean(input.previous, names));
    } else if (!rows->at.empty()) {
      diagnostics.error(place,
                        fmt::format("input \"{}\" is frozen at {}: there are no earlier rows",
                                    shown(input.previous), shown(rows->at)));
    } else if (rows->holdout) {
      const std::string held_out = variable_of(input.name) + "_HOLDOUT";
      for (const InputTemplate& one : step.inputs) {
        if (variable_of(one.name) != held_out) continue;
        diagnostics.error(parse_place(one.place),
                          fmt::format("two inputs of {} would share a variable LOCKSTEP_INPUT_{}",
                                      what, shown(held_out)),
                          "rename one");
      }
    }
  }
}

std::vector<MatrixAxis> read_matrix(const YamlNode& node, const StepScope& scope) {
  std::vector<MatrixAxis> axes;
  Fields fields(node, "\"matrix\" of " + scope.what, scope.diagnostics);
  fields.not_yet({"include", "exclude"});
  if (node.is_map() && node.entries().empty()) {
    expected(node, fields.what(), "a map of variables", scope.diagnostics);
  }
  for (const YamlEntry& entry : node.entries()) {
    if (entry.key == "include" || entry.key == "exclude") continue;
    check_word(entry.key, entry.key_place, fields.what(), scope.diagnostics);
    MatrixAxis axis;
    axis.name = entry.key;
    axis.place = entry.key_place.str();
    std::string what = fmt::format("matrix variable \"{}\"", shown(entry.key));
    if (entry.value.is_list()) {
      axis.values = read_list_axis(entry.value, what, scope.diagnostics);
    } else if (entry.value.is_map()) {
      read_table_axis(entry.value, what, scope, axis);
    } else {
      expected(entry.value, what, "a list, or {table, column}", scope.diagnostics);
    }
    axes.push_back(std::move(axis));
  }
  return axes;
}

}  // namespace lockstep
