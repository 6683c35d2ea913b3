#include "connectors/forge/notify.h"

#include <fmt/format.h>

#include "connectors/forge/signature.h"
#include "pipeline/base/error.h"
#include "pipeline/base/text.h"

namespace lockstep {

HttpRequest notice_request(const std::string& url, const std::string& secret,
                           const Notice& notice) {
  if (secret.empty()) {
    throw Error(ErrorCode::kInvalid, "the secret that signs notifications is empty",
                "`openssl rand -hex 32` makes one");
  }
  const std::string time = std::to_string(notice.time_s);
  const std::string text = fmt::format("{}.{}.{}", notice.id, time, notice.body);
  HttpRequest request;
  request.method = "POST";
  request.url = parse_url(url);
  request.body = notice.body;
  request.headers["Content-Type"] = "application/json";
  request.headers["webhook-id"] = notice.id;
  request.headers["webhook-timestamp"] = time;
  request.headers["webhook-signature"] = "v1," + base64(hmac_sha256(signing_key(secret), text));
  return request;
}

HttpOptions notice_options(const std::string& url) {
  HttpOptions options;
  const Url place = parse_url(url);
  options.network.own_host = place.host;
  options.network.own_port = place.port;
  options.connect_timeout_ms = 5'000;
  options.read_timeout_ms = 15'000;
  options.write_timeout_ms = 15'000;
  return options;
}

void send_notice(HttpClient& http, const std::string& url, const std::string& secret,
                 const Notice& notice) {
  const HttpRequest request = notice_request(url, secret, notice);
  const HttpResponse answer = http.send(request);
  if (answer.status / 100 == 2) return;
  const bool gone = answer.status == 410;
  throw Error(
      gone ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
      fmt::format("{} answered {} to a notification", request.url.authority(), answer.status),
      gone ? "the receiver wants no more: take it out of lockstep.yaml"
           : "only 2xx means that it was taken");
}

}  // namespace lockstep
