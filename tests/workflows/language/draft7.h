// A validator for the part of JSON Schema draft-07 that the project's schemas use.
// Knows nothing of workflows. A keyword it does not know is an error, so nothing goes unchecked.
#pragma once

#include <algorithm>
#include <cmath>
#include <regex>
#include <set>
#include <stdexcept>
#include <string>

#include "pipeline/base/json.h"

namespace lockstep {

class Draft7 {
 public:
  explicit Draft7(Json schema) : root_(std::move(schema)) {}
  bool accepts(const Json& value) const { return check(root_, value); }

 private:
  bool check(const Json& schema, const Json& value) const {
    if (schema.is_boolean()) return schema.get<bool>();
    for (const auto& [keyword, rule] : schema.items()) {
      if (!keyword_holds(schema, keyword, rule, value)) return false;
    }
    return true;
  }

  bool keyword_holds(const Json& schema, const std::string& keyword, const Json& rule,
                     const Json& value) const {
    static const std::set<std::string> notes = {"$schema",     "title",    "description",
                                                "definitions", "examples", "then"};
    if (notes.count(keyword) != 0) return true;
    if (keyword == "$ref") return check(target(rule), value);
    if (keyword == "type") return type_holds(rule, value);
    if (keyword == "enum") return std::find(rule.begin(), rule.end(), value) != rule.end();
    if (keyword == "const") return rule == value;
    if (keyword == "not") return !check(rule, value);
    if (keyword == "anyOf") return count(rule, value) > 0;
    if (keyword == "oneOf") return count(rule, value) == 1;
    if (keyword == "allOf") return count(rule, value) == rule.size();
    if (keyword == "if") return !check(rule, value) || check(schema.at("then"), value);
    if (value.is_object()) return object_holds(schema, keyword, rule, value);
    if (value.is_array()) return array_holds(keyword, rule, value);
    if (value.is_string()) return string_holds(keyword, rule, value.get<std::string>());
    if (value.is_number()) return number_holds(keyword, rule, value.get<double>());
    return known(keyword);
  }

  static bool known(const std::string& keyword) {
    static const std::set<std::string> all = {
        "required",         "properties",      "patternProperties", "additionalProperties",
        "propertyNames",    "minProperties",   "maxProperties",     "items",
        "minItems",         "maxItems",        "uniqueItems",       "minLength",
        "maxLength",        "pattern",         "minimum",           "maximum",
        "exclusiveMinimum", "exclusiveMaximum"};
    if (all.count(keyword) == 0) throw std::runtime_error("unknown keyword " + keyword);
    return true;
  }

  const Json& target(const std::string& reference) const {
    return root_.at(Json::json_pointer(reference.substr(1)));
  }

  size_t count(const Json& schemas, const Json& value) const {
    size_t n = 0;
    for (const Json& schema : schemas) n += check(schema, value) ? 1 : 0;
    return n;
  }

  static bool type_holds(const Json& rule, const Json& value) {
    if (rule.is_array()) {
      return std::any_of(rule.begin(), rule.end(),
                         [&](const Json& one) { return type_holds(one, value); });
    }
    if (rule == "integer") {
      return value.is_number_integer() ||
             (value.is_number() && std::floor(value.get<double>()) == value.get<double>());
    }
    return rule == value.type_name();
  }

  bool object_holds(const Json& schema, const std::string& keyword, const Json& rule,
                    const Json& value) const {
    if (keyword == "required") {
      return std::all_of(rule.begin(), rule.end(),
                         [&](const Json& key) { return value.contains(key.get<std::string>()); });
    }
    if (keyword == "minProperties") return value.size() >= rule.get<size_t>();
    if (keyword == "maxProperties") return value.size() <= rule.get<size_t>();
    if (keyword != "properties" && keyword != "patternProperties" &&
        keyword != "additionalProperties" && keyword != "propertyNames") {
      return known(keyword);
    }
    for (const auto& [key, member] : value.items()) {
      if (!member_holds(schema, keyword, rule, key, member)) return false;
    }
    return true;
  }

  bool member_holds(const Json& schema, const std::string& keyword, const Json& rule,
                    const std::string& key, const Json& member) const {
    if (keyword == "propertyNames") return check(rule, key);
    bool named = schema.contains("properties") && schema["properties"].contains(key);
    if (keyword == "properties") return !named || check(rule.at(key), member);
    bool matched = false;
    if (schema.contains("patternProperties")) {
      for (const auto& [pattern, inner] : schema["patternProperties"].items()) {
        if (!std::regex_search(key, std::regex(pattern))) continue;
        matched = true;
        if (keyword == "patternProperties" && !check(inner, member)) return false;
      }
    }
    return keyword == "patternProperties" || named || matched || check(rule, member);
  }

  bool array_holds(const std::string& keyword, const Json& rule, const Json& value) const {
    if (keyword == "minItems") return value.size() >= rule.get<size_t>();
    if (keyword == "maxItems") return value.size() <= rule.get<size_t>();
    if (keyword == "uniqueItems")
      return std::set<Json>(value.begin(), value.end()).size() == value.size();
    if (keyword != "items") return known(keyword);
    return std::all_of(value.begin(), value.end(),
                       [&](const Json& item) { return check(rule, item); });
  }

  static bool string_holds(const std::string& keyword, const Json& rule, const std::string& value) {
    if (keyword == "minLength") return value.size() >= rule.get<size_t>();
    if (keyword == "maxLength") return value.size() <= rule.get<size_t>();
    if (keyword != "pattern") return known(keyword);
    return std::regex_search(value, std::regex(rule.get<std::string>()));
  }

  static bool number_holds(const std::string& keyword, const Json& rule, double value) {
    if (keyword == "minimum") return value >= rule.get<double>();
    if (keyword == "maximum") return value <= rule.get<double>();
    if (keyword == "exclusiveMinimum") return value > rule.get<double>();
    if (keyword == "exclusiveMaximum") return value < rule.get<double>();
    return known(keyword);
  }

  Json root_;
};

}  // namespace lockstep
