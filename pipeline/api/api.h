// The API as a table of routes over the backend: strict in what it takes, one error document for
// everything that goes wrong. Callable in-process; the server puts it on a socket.
// Knows nothing of sockets, HTTP syntax or what a command does.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/api/backend.h"
#include "pipeline/api/wire.h"

namespace lockstep {

// The parts of one matched request, read with their types; every getter throws invalid naming the
// field. Names that the route does not list were refused before.
class Call {
 public:
  Call(const ApiRequest& request, std::map<std::string, std::string> parameters)
      : request_(request), parameters_(std::move(parameters)) {}

  const std::string& parameter(const std::string& name) const { return parameters_.at(name); }
  std::string query(const std::string& name) const;       // "" where absent
  std::string need_query(const std::string& name) const;  // present and not empty
  int64_t query_number(const std::string& name, int64_t absent, int64_t min, int64_t max) const;
  std::optional<int64_t> query_version() const;  // "version", from 1

  const Json& body() const { return request_.body; }
  std::string text(const std::string& name) const;  // "" where absent
  std::string need_text(const std::string& name) const;
  bool flag(const std::string& name) const;  // false where absent
  std::optional<int64_t> version(const std::string& name = "version") const;
  Json texts(const std::string& name) const;   // array of texts, empty where absent
  Json object(const std::string& name) const;  // empty where absent
  // The peer with the body's "reason" and "dry_run".
  Caller caller() const;
  const ApiRequest& request() const { return request_; }
  Patience patience() const;  // the query's "wait_ms", and whether the peer has gone

 private:
  const ApiRequest& request_;
  std::map<std::string, std::string> parameters_;
};

// What a route gives to those who ask for server-sent events.
enum class Follows { kNothing, kEvents, kLog };

struct Route {
  std::string_view method;              // "GET" or "POST"
  std::string_view pattern;             // "/v1/models/{name}"
  std::string_view role;                // who may (access.h); kAnyone: it checks by itself
  bool slow;                            // may wait or work for long: never on the quick workers
  std::vector<std::string_view> query;  // names it takes; all others are refused
  std::vector<std::string_view> body;
  std::string_view summary;
  Json (*handler)(Backend&, const Call&);
  bool bytes = false;  // takes any body and the headers as they came, no JSON
  bool text = false;   // answers a text, in Prometheus' format
  Follows follows = Follows::kNothing;
};

// How long a route may wait for news, in milliseconds.
inline constexpr int64_t kMaxWaitMs = 30'000;

class Api {
 public:
  explicit Api(Backend& backend) : backend_(backend) {}

  // Never throws: errors are answers. Safe from several threads where the backend is.
  ApiResponse handle(const ApiRequest& request);

  // Runs `act` where `request` may have its route; 200, or an error document.
  ApiResponse guarded(const ApiRequest& request, const std::function<void(Backend&)>& act);

  // Is told of everything that acts and of everything that was denied: {"who","role","peer",
  // "method","path","status","reason"}. Set before the first request; may be called from several
  // threads.
  using Audit = std::function<void(Json)>;
  void audit_to(Audit audit) { audit_ = std::move(audit); }
  void audit(const ApiRequest& request, int status) const;

  // Asked before what acts: an error means that nothing can be kept now, and is the answer. Set
  // before the first request; may be called from several threads.
  void hold_when(std::function<std::optional<Error>()> hold) { hold_ = std::move(hold); }

  static const std::vector<Route>& routes();
  // The route a request would take, or null.
  static const Route* find(std::string_view method, std::string_view path);

 private:
  ApiResponse answer(const ApiRequest& request);
  static bool keeps_something(const Route& route);
  static void admit(const Route& route, const ApiRequest& request);
  static ApiResponse caught(const std::function<ApiResponse()>& act);

  Backend& backend_;
  Audit audit_;
  std::function<std::optional<Error>()> hold_;
};

}  // namespace lockstep
