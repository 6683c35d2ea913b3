#include "connectors/forge/body.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "connectors/forge/names.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr int kMaxDepth = 32;
constexpr size_t kMaxValues = 1'000'000;
constexpr size_t kMaxList = 1000;

Error invalid(const std::string& message, const std::string& hint = "") {
  return Error(ErrorCode::kInvalid, message, hint);
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool plain_in_form(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         std::string_view("-._~*").find(c) != std::string_view::npos;
}

// Called by the parser at every step; what it throws passes through the parser.
class Watch {
 public:
  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    using Event = Json::parse_event_t;
    if (depth > kMaxDepth) throw invalid("the body is nested too deeply");
    if (event == Event::key) return see_key(parsed);
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    const bool value =
        event == Event::value || event == Event::object_start || event == Event::array_start;
    if (value && ++values_ > kMaxValues) throw invalid("the body has too many values");
    return true;
  }

 private:
  bool see_key(const Json& key) {
    if (!keys_.back().insert(key.get<std::string>()).second) {
      throw invalid(fmt::format("the body has the key \"{}\" twice in one object",
                                printable(key.get<std::string>(), 64)));
    }
    return true;
  }

  std::vector<std::set<std::string>> keys_;
  size_t values_ = 0;
};

}  // namespace

HookEncoding hook_encoding(std::string_view content_type) {
  const size_t semicolon = std::min(content_type.find(';'), content_type.size());
  std::string kind = lower_case(content_type.substr(0, semicolon));
  while (kind.ends_with(' ') || kind.ends_with('\t')) kind.pop_back();
  std::string rest = lower_case(content_type.substr(semicolon));
  std::erase_if(rest, [](char c) { return c == ' ' || c == '\t' || c == '"'; });
  const bool utf8 = rest.empty() || rest == ";" || rest == ";charset=utf-8";
  if (utf8 && kind == "application/json") return HookEncoding::kJson;
  if (utf8 && kind == "application/x-www-form-urlencoded") return HookEncoding::kForm;
  throw invalid(fmt::format("a delivery as \"{}\" can't be read", printable(content_type, 100)),
                "set the webhook's content type to application/json");
}

std::string form_payload(std::string_view body) {
  constexpr std::string_view kName = "payload=";
  const Error bad = invalid("the form is not one field payload=… in strict encoding",
                            "set the webhook's content type to application/json");
  if (!body.starts_with(kName)) throw bad;
  body.remove_prefix(kName.size());
  std::string out;
  out.reserve(body.size());
  for (size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (c == '+') {
      out += ' ';
    } else if (plain_in_form(c)) {
      out += c;
    } else if (c == '%' && i + 2 < body.size() && hex_value(body[i + 1]) >= 0 &&
               hex_value(body[i + 2]) >= 0) {
      out += static_cast<char>(hex_value(body[i + 1]) * 16 + hex_value(body[i + 2]));
      i += 2;
    } else {
      throw bad;
    }
  }
  return out;
}

Json hook_json(std::string_view text) {
  Watch watch;
  Json json;
  try {
    json = Json::parse(text, [&watch](int depth, Json::parse_event_t event, Json& parsed) {
      return watch(depth, event, parsed);
    });
  } catch (const Json::parse_error& e) {
    throw invalid(fmt::format("the body is not JSON: byte {}", e.byte));
  } catch (const Json::exception&) {
    throw invalid("the body is not JSON: a number out of range");
  }
  if (!json.is_object()) throw invalid("the body is JSON, but no object");
  return json;
}

HookFields::HookFields(const Json& object, std::string path)
    : object_(&object), path_(std::move(path)) {
  if (!object.is_object()) throw invalid(fmt::format("the body's {} is no object", path_));
}

std::string HookFields::name_of(const char* name) const {
  return path_.empty() ? name : path_ + "." + name;
}

bool HookFields::has(const char* name) const {
  const auto found = object_->find(name);
  return found != object_->end() && !found->is_null();
}

void HookFields::must_have(const char* name) const {
  if (!object_->contains(name)) throw invalid(fmt::format("the body has no {}", name_of(name)));
}

const Json& HookFields::value(const char* name) const {
  if (!has(name)) throw invalid(fmt::format("the body has no {}", name_of(name)));
  return *object_->find(name);
}

void HookFields::only(std::initializer_list<std::string_view> known) const {
  for (auto it = object_->begin(); it != object_->end(); ++it) {
    if (std::find(known.begin(), known.end(), it.key()) != known.end()) continue;
    throw invalid(fmt::format("the body has a key that is not known: {}",
                              name_of(printable(it.key(), 64).c_str())),
                  "docs/WEBHOOKS.md lists them");
  }
}

HookFields HookFields::in(const char* name) const {
  return HookFields(value(name), name_of(name));
}

std::optional<HookFields> HookFields::maybe(const char* name) const {
  if (!has(name)) return std::nullopt;
  return in(name);
}

std::vector<HookFields> HookFields::list(const char* name) const {
  std::vector<HookFields> out;
  if (!has(name)) return out;
  const Json& all = value(name);
  if (!all.is_array() || all.size() > kMaxList) {
    throw invalid(fmt::format("the body's {} is no list of at most {}", name_of(name), kMaxList));
  }
  for (const Json& one : all) out.emplace_back(one, name_of(name) + "[]");
  return out;
}

std::string HookFields::text(const char* name) const {
  std::string out = text_or_empty(name);
  if (out.empty()) throw invalid(fmt::format("the body has no {}", name_of(name)));
  return out;
}

std::string HookFields::bounded(const char* name, size_t limit) const {
  if (!has(name)) return "";
  const Json& json = value(name);
  if (!json.is_string()) throw invalid(fmt::format("the body's {} is no text", name_of(name)));
  const auto& out = json.get_ref<const std::string&>();
  if (out.size() > limit || has_control(out)) {
    throw invalid(
        fmt::format("the body's {} is too long or has control characters", name_of(name)));
  }
  return out;
}

std::string HookFields::text_or_empty(const char* name) const {
  return bounded(name, kHookTextLimit);
}

std::string HookFields::url_or_empty(const char* name) const {
  std::string out = bounded(name, kHookUrlLimit);
  if (!out.empty() && !good_hook_url(out)) {
    throw invalid(fmt::format("the body's {} is no address of a repository", name_of(name)));
  }
  return out;
}

bool HookFields::flag(const char* name) const {
  if (!has(name)) return false;
  const Json& json = value(name);
  if (!json.is_boolean()) {
    throw invalid(fmt::format("the body's {} is neither true nor false", name_of(name)));
  }
  return json.get<bool>();
}

int64_t HookFields::number(const char* name) const {
  const Json& json = value(name);
  if (!json.is_number_integer()) {
    throw invalid(fmt::format("the body's {} is no whole number", name_of(name)));
  }
  return json.get<int64_t>();
}

std::string HookFields::commit(const char* name) const {
  std::string id = text_or_empty(name);
  if (id.empty() || null_commit_id(id)) return "";
  if (!good_commit_id(id)) {
    throw invalid(fmt::format("the body's {} is no commit: {}", name_of(name), printable(id, 80)));
  }
  return id;
}

std::string HookFields::ref_name(const char* name) const {
  std::string out = text(name);
  if (!good_ref_name(out)) {
    throw invalid(
        fmt::format("the body's {} is no name of a ref: {}", name_of(name), printable(out, 80)),
        "the rules are those of git check-ref-format");
  }
  return out;
}

std::string HookFields::ref_name_or_empty(const char* name) const {
  return text_or_empty(name).empty() ? "" : ref_name(name);
}

}  // namespace lockstep
