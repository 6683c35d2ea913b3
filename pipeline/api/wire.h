// One request and one answer of the API, the same over a socket and inside one process, and how
// paths, queries and errors are written in them.
// Knows nothing of sockets, HTTP syntax or what the routes do.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"
#include "pipeline/base/text.h"

namespace lockstep {

struct ApiRequest {
  std::string method;                        // "GET", "POST"
  std::string path;                          // percent-encoded segments (see api_path), no query
  std::map<std::string, std::string> query;  // decoded
  Json body = Json::object();
  std::string user;  // who asks: the peer's user name, or the token's; never from the body
  std::string role;  // what that one may do (access.h); empty: what anyone may
  std::string peer;  // where from: "socket", or an address
  // Of routes that take bytes: as they came, in any case, perhaps twice.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string bytes;           // their body as it came
  std::function<bool()> gone;  // has the peer hung up? Null: it can't
};

struct ApiResponse {
  int status = 200;
  Json body;  // on errors: {"error":{"code","message","hint","where"[,"all":[…]]}}
  // Not empty: the body as json_text wrote it once; `body` is null then. Within one process only.
  std::string text;
  std::string content_type;  // not empty: `text` is the body, and no JSON
};

// A document as people and scripts get it: laid out in lines, with a line feed at its end.
std::string json_text(const Json& document);

// A way to the API: a socket client or the routes of this very process.
using ApiCall = std::function<ApiResponse(const ApiRequest&)>;

// "/v1/models/client%5B3%5D": all but RFC 3986's unreserved characters are encoded, so that a
// segment may hold slashes, brackets or any UTF-8.
std::string api_path(const std::vector<std::string>& segments);
// Throws invalid on a broken escape.
std::string percent_decode(std::string_view text);
// "/v1/models?version=2" from path and query; the query keys come sorted.
std::string api_target(const ApiRequest& request);
// Fills path and query from a request target; throws invalid (twice the same key, bad escapes).
void read_target(std::string_view target, ApiRequest& request);

// {"error":{…}} of an error, with "all" where there are several.
Json error_document(const Error& error);
// The reverse; Errors' parts come back through `all` (empty for a single one). A document that is
// no error document reads as corrupt.
Error read_error(const Json& document, std::vector<Error>* all = nullptr);
// 400, 404, 409, 503, 500, 403 in the order of ErrorCode.
int http_status(ErrorCode code);

}  // namespace lockstep
