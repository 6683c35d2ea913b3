#include "pipeline/api/wire.h"

namespace lockstep {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Json one_error(const Error& error) {
  return {{"code", word(error.code)},
          {"message", error.message},
          {"hint", error.hint},
          {"where", error.where}};
}

std::string field(const Json& object, const char* name) {
  auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

Error one_error(const Json& object) {
  return Error(error_code(field(object, "code")), field(object, "message"), field(object, "hint"),
               field(object, "where"));
}

}  // namespace

std::string json_text(const Json& document) {
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string percent_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      throw Error(ErrorCode::kInvalid, "broken %-escape in the address",
                  "write a literal % as %25");
    }
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return out;
}

std::string api_path(const std::vector<std::string>& segments) {
  std::string path;
  for (const std::string& segment : segments) path += "/" + percent_encode(segment);
  return path;
}

std::string api_target(const ApiRequest& request) {
  std::string target = request.path;
  char before = '?';
  for (const auto& [key, value] : request.query) {
    target += before + percent_encode(key) + "=" + percent_encode(value);
    before = '&';
  }
  return target;
}

void read_target(std::string_view target, ApiRequest& request) {
  size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (question == std::string_view::npos) return;
  std::string_view rest = target.substr(question + 1);
  while (!rest.empty()) {
    size_t end = rest.find('&');
    std::string_view pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
    size_t equals = pair.find('=');
    std::string key = percent_decode(pair.substr(0, equals));
    std::string value;
    if (equals != std::string_view::npos) value = percent_decode(pair.substr(equals + 1));
    if (!request.query.emplace(key, value).second) {
      throw Error(ErrorCode::kInvalid, "the query names `" + key + "` twice");
    }
  }
}

Json error_document(const Error& error) {
  auto* several = dynamic_cast<const Errors*>(&error);
  if (!several || several->all.empty()) return {{"error", one_error(error)}};
  Json first = one_error(several->all.front());
  if (several->all.size() > 1) {
    first["all"] = Json::array();
    for (const Error& one : several->all) first["all"].push_back(one_error(one));
  }
  return {{"error", first}};
}

Error read_error(const Json& document, std::vector<Error>* all) {
  auto it = document.is_object() ? document.find("error") : document.end();
  if (it == document.end() || !it->is_object()) {
    return Error(ErrorCode::kCorrupt, "the daemon answered with something that is no document",
                 "is another program listening on the socket?");
  }
  auto list = it->find("all");
  if (all && list != it->end() && list->is_array()) {
    for (const Json& one : *list) all->push_back(one_error(one));
  }
  return one_error(*it);
}

int http_status(ErrorCode code) {
  static constexpr int kStatus[] = {400, 404, 409, 503, 500, 403};
  return kStatus[static_cast<size_t>(code)];
}

}  // namespace lockstep
