// One request and one answer of the API, the same over a socket and inside one process.
// Knows nothing of sockets, HTTP syntax or what the routes do.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "pipeline/base/json.h"

namespace lockstep {

struct ApiRequest {
  std::string method;                        // "GET", "POST"
  std::string path;                          // decoded segments joined by '/', no query
  std::map<std::string, std::string> query;  // decoded
  Json body = Json::object();
  std::string user;  // who asks: the peer's user name; never from the body
};

struct ApiResponse {
  int status = 200;
  Json body;  // on errors: {"error":{"code","message","hint","where"[,"all":[…]]}}
};

// A way to the API: a socket client or the routes of this very process.
using ApiCall = std::function<ApiResponse(const ApiRequest&)>;

}  // namespace lockstep
