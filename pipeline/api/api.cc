#include "pipeline/api/api.h"

#include <algorithm>
#include <charconv>

#include "pipeline/api/access.h"

namespace lockstep {
namespace {

constexpr size_t kMaxTextBytes = 64 << 10;

Error invalid(const std::string& message, const std::string& hint = "") {
  return Error(ErrorCode::kInvalid, message, hint);
}

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty() && path.front() == '/') {
    size_t end = path.find('/', 1);
    parts.push_back(path.substr(1, end == std::string_view::npos ? end : end - 1));
    path = end == std::string_view::npos ? "" : path.substr(end);
  }
  return parts;
}

bool is_parameter(std::string_view part) {
  return part.size() > 2 && part.front() == '{';
}

bool matches(const Route& route, const std::vector<std::string_view>& parts) {
  auto pattern = split(route.pattern);
  return pattern.size() == parts.size() &&
         std::equal(pattern.begin(), pattern.end(), parts.begin(),
                    [](auto want, auto got) { return is_parameter(want) || want == got; });
}

// A value from outside: UTF-8, bounded, without control characters.
void check_text(const std::string& name, std::string_view value) {
  if (value.size() > kMaxTextBytes) throw invalid("`" + name + "` is longer than 64 KiB");
  if (!valid_utf8(value)) throw invalid("`" + name + "` is not UTF-8");
  bool control = std::any_of(value.begin(), value.end(), [](char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
  if (control) throw invalid("`" + name + "` contains a control character");
}

std::map<std::string, std::string> read_parameters(const Route& route, std::string_view path) {
  std::map<std::string, std::string> out;
  auto pattern = split(route.pattern);
  auto parts = split(path);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!is_parameter(pattern[i])) continue;
    std::string name(pattern[i].substr(1, pattern[i].size() - 2));
    std::string value = percent_decode(parts[i]);
    check_text(name, value);
    if (value.empty() || value == "." || value == "..") throw invalid("`" + name + "` is missing");
    out[name] = value;
  }
  return out;
}

std::string listed(const std::vector<std::string_view>& names) {
  std::string text;
  for (std::string_view name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text.empty() ? "it takes none" : "it takes: " + text;
}

void refuse_unknown(const std::string& name, const std::vector<std::string_view>& known,
                    const std::string& what) {
  if (std::find(known.begin(), known.end(), name) != known.end()) return;
  check_text("a " + what + " name", name);
  throw invalid("this route has no " + what + " `" + name.substr(0, 100) + "`", listed(known));
}

void check_names(const Route& route, const ApiRequest& request) {
  for (const auto& [name, value] : request.query) {
    refuse_unknown(name, route.query, "query field");
    check_text(name, value);
  }
  if (request.body.is_null()) return;
  if (!request.body.is_object()) throw invalid("the body is not a JSON object");
  for (const auto& item : request.body.items()) {
    refuse_unknown(item.key(), route.body, "body field");
  }
}

const Json* find_field(const Json& body, const std::string& name) {
  if (!body.is_object()) return nullptr;
  auto it = body.find(name);
  return it == body.end() || it->is_null() ? nullptr : &*it;
}

// Values that did not come through a JSON parser may hold any bytes.
void check_utf8(const std::string& name, const Json& value) {
  try {
    canonical_json(value);
  } catch (const Error& error) {
    throw invalid("`" + name + "`: " + error.message);
  }
}

int64_t parse_number(const std::string& name, const std::string& text, int64_t min, int64_t max) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min || value > max) {
    throw invalid("`" + name + "` is not a number from " + std::to_string(min) + " to " +
                  std::to_string(max));
  }
  return value;
}

}  // namespace

std::string Call::query(const std::string& name) const {
  auto it = request_.query.find(name);
  return it == request_.query.end() ? "" : it->second;
}

std::string Call::need_query(const std::string& name) const {
  std::string value = query(name);
  if (value.empty()) throw invalid("the query field `" + name + "` is missing");
  return value;
}

int64_t Call::query_number(const std::string& name, int64_t absent, int64_t min,
                           int64_t max) const {
  auto it = request_.query.find(name);
  return it == request_.query.end() ? absent : parse_number(name, it->second, min, max);
}

std::optional<int64_t> Call::query_version() const {
  if (!request_.query.count("version")) return std::nullopt;
  return query_number("version", 0, 1, INT64_MAX);
}

std::string Call::text(const std::string& name) const {
  const Json* value = find_field(request_.body, name);
  if (!value) return "";
  if (!value->is_string()) throw invalid("`" + name + "` is not a text");
  check_text(name, value->get_ref<const std::string&>());
  return value->get<std::string>();
}

std::string Call::need_text(const std::string& name) const {
  std::string value = text(name);
  if (value.empty()) throw invalid("the field `" + name + "` is missing");
  return value;
}

bool Call::flag(const std::string& name) const {
  const Json* value = find_field(request_.body, name);
  if (value && !value->is_boolean()) throw invalid("`" + name + "` is not true or false");
  return value && value->get<bool>();
}

std::optional<int64_t> Call::version(const std::string& name) const {
  const Json* value = find_field(request_.body, name);
  if (!value) return std::nullopt;
  bool good = value->is_number_integer() && value->get<int64_t>() >= 1;
  if (!good) throw invalid("`" + name + "` is not a version number (1, 2, …)");
  return value->get<int64_t>();
}

Json Call::texts(const std::string& name) const {
  const Json* value = find_field(request_.body, name);
  if (!value) return Json::array();
  bool good = value->is_array() && std::all_of(value->begin(), value->end(),
                                               [](const Json& one) { return one.is_string(); });
  if (!good) throw invalid("`" + name + "` is not a list of texts");
  check_utf8(name, *value);
  return *value;
}

Json Call::object(const std::string& name) const {
  const Json* value = find_field(request_.body, name);
  if (value && !value->is_object()) throw invalid("`" + name + "` is not an object");
  if (value) check_utf8(name, *value);
  return value ? *value : Json::object();
}

Caller Call::caller() const {
  return {request_.user, text("reason"), flag("dry_run")};
}

Patience Call::patience() const {
  return {query_number("wait_ms", 0, 0, kMaxWaitMs), request_.gone};
}

// Of what is posted, all but questions and what is written elsewhere.
bool Api::keeps_something(const Route& route) {
  const std::string_view path = route.pattern;
  const bool question = path.ends_with("/predict") || path.ends_with("/verify");
  return route.method == "POST" && !question && path != "/v1/backup";
}

const Route* Api::find(std::string_view method, std::string_view path) {
  auto parts = split(path);
  for (const Route& route : routes()) {
    if (route.method == method && matches(route, parts)) return &route;
  }
  return nullptr;
}

void Api::admit(const Route& route, const ApiRequest& request) {
  if (!may(request.role, route.role)) {
    throw Error(ErrorCode::kDenied,
                "this needs the role " + std::string(route.role) + "; " + request.user + " is " +
                    (request.role.empty() ? "nobody" : request.role),
                "`lockstep token create` makes a token with another role");
  }
  check_names(route, request);
}

ApiResponse Api::answer(const ApiRequest& request) {
  const Route* route = find(request.method, request.path);
  if (route) {
    admit(*route, request);
    if (hold_ && keeps_something(*route)) {
      if (std::optional<Error> why = hold_()) throw *why;
    }
    Call call(request, read_parameters(*route, request.path));
    Json answer = route->handler(backend_, call);
    if (!route->text) return {200, std::move(answer)};
    return {200, Json(), answer.get<std::string>(), "text/plain; version=0.0.4; charset=utf-8"};
  }
  std::string asked = request.method.substr(0, 20) + " " + request.path.substr(0, 200);
  auto parts = split(request.path);
  bool other = std::any_of(routes().begin(), routes().end(),
                           [&](const Route& one) { return matches(one, parts); });
  if (other) {
    return {405, error_document(invalid("no such method here: " + asked,
                                        "GET reads, POST acts; docs/API.md lists the routes"))};
  }
  throw Error(ErrorCode::kNotFound, "no such route: " + asked, "docs/API.md lists the routes");
}

void Api::audit(const ApiRequest& request, int status) const {
  if (!audit_) return;
  Json reason = request.body.is_object() ? request.body.value("reason", Json()) : Json();
  audit_({{"who", request.user.substr(0, 200)},
          {"role", request.role},
          {"peer", request.peer},
          {"method", request.method.substr(0, 20)},
          {"path", request.path.substr(0, 500)},
          {"status", status},
          {"reason", reason}});
}

ApiResponse Api::handle(const ApiRequest& request) {
  ApiResponse response = caught([&] { return answer(request); });
  const Route* route = find(request.method, request.path);
  bool acts = request.method == "POST" && !(route && route->bytes);
  if (acts || response.status == 403) audit(request, response.status);
  return response;
}

ApiResponse Api::guarded(const ApiRequest& request, const std::function<void(Backend&)>& act) {
  ApiResponse response = caught([&]() -> ApiResponse {
    const Route* route = find(request.method, request.path);
    if (!route) throw Error(ErrorCode::kNotFound, "no such route");
    admit(*route, request);
    act(backend_);
    return {};
  });
  if (response.status == 403) audit(request, response.status);
  return response;
}

ApiResponse Api::caught(const std::function<ApiResponse()>& act) {
  try {
    return act();
  } catch (const Error& error) {
    return {http_status(error.code), error_document(error)};
  } catch (const std::exception& error) {
    Error plain(ErrorCode::kCorrupt, std::string("unexpected failure: ") + error.what(),
                "this is a defect of lockstep: please report it with the command you gave");
    return {500, error_document(plain)};
  }
}

}  // namespace lockstep
