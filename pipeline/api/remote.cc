#include "pipeline/api/remote.h"

#ifndef CPPHTTPLIB_OPENSSL_SUPPORT
#define CPPHTTPLIB_OPENSSL_SUPPORT
#endif
#include <httplib.h>

#include <memory>

namespace lockstep {
namespace {

constexpr size_t kMaxAnswerBytes = 256 << 20;

bool is_loopback(const std::string& authority) {
  std::string host = authority.substr(0, authority.rfind(':'));
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

void check_url(const std::string& url) {
  size_t scheme = url.find("://");
  std::string authority = scheme == url.npos ? "" : url.substr(scheme + 3);
  bool plain = url.compare(0, scheme, "http") == 0;
  bool known = plain || url.compare(0, scheme, "https") == 0;
  if (!known || authority.empty() || authority.find_first_of("/?#@ ") != authority.npos) {
    throw Error(ErrorCode::kInvalid, "the address of the server is not https://HOST[:PORT]");
  }
  if (plain && !is_loopback(authority)) {
    throw Error(ErrorCode::kInvalid, "a token is not sent over http:// to another machine",
                "use https://");
  }
}

[[noreturn]] void unreachable(const std::string& url, httplib::Error error) {
  bool certificate =
      error == httplib::Error::SSLServerVerification || error == httplib::Error::SSLLoadingCerts;
  throw Error(ErrorCode::kUnavailable, "no answer from " + url + ": " + httplib::to_string(error),
              certificate ? "LOCKSTEP_CA_FILE names the authority of its certificate"
                          : "is `lockstep serve` running there, with that listener?");
}

}  // namespace

ApiCall remote_api(const RemoteServer& server, ClientTimes times) {
  check_url(server.url);
  return [server, times](const ApiRequest& request) {
    httplib::Client client(server.url);
    client.set_keep_alive(false);
    client.set_follow_location(false);
    client.set_connection_timeout(times.connect);
    client.set_write_timeout(times.connect);
    client.set_read_timeout(request.method == "GET" ? times.read : times.act);
    if (!server.ca_file.empty()) client.set_ca_cert_path(server.ca_file.c_str());
    client.enable_server_certificate_verification(true);
    httplib::Headers headers = {{"Authorization", "Bearer " + server.token}};
    std::string target = api_target(request);
    std::string body;
    auto take = [&](const char* data, size_t size) {
      if (body.size() + size > kMaxAnswerBytes) return false;
      body.append(data, size);
      return true;
    };
    httplib::Result answer =
        request.method == "GET"
            ? client.Get(target.c_str(), headers, take)
            : client.Post(target.c_str(), headers, request.body.dump(), "application/json");
    if (!answer) unreachable(server.url, answer.error());
    if (request.method != "GET") body = answer->body;
    return ApiResponse{answer->status, parse_json(body, "the answer of " + server.url), ""};
  };
}

}  // namespace lockstep
