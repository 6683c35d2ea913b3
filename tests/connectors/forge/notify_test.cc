#include "connectors/forge/notify.h"

#include <httplib.h>

#include <thread>

#include "connectors/forge/hook.h"
#include "pipeline/base/error.h"
#include "tests/catch.h"

namespace lockstep {
namespace {

ErrorCode answer_of(int status) {
  httplib::Server server;
  server.Post("/n", [&](const httplib::Request&, httplib::Response& out) {
    out.status = status;
    out.set_header("Location", "/elsewhere");
  });
  int lost = 0;
  server.Post("/elsewhere", [&](const httplib::Request&, httplib::Response&) { ++lost; });
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread thread([&] { server.listen_after_bind(); });
  ErrorCode code = ErrorCode::kConflict;  // taken
  try {
    const std::string url = "http://127.0.0.1:" + std::to_string(port) + "/n";
    HttpClient http(notice_options(url));
    send_notice(http, url, "secret", {"msg_1", 1, "{}"});
  } catch (const Error& error) {
    code = error.code;
  }
  server.stop();
  thread.join();
  CHECK(lost == 0);
  return code;
}

TEST_CASE("a notification is signed as Standard Webhooks: their own example") {
  // Of the specification's reference libraries.
  const HttpRequest request =
      notice_request("https://example.org/n", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                     {"msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})"});
  CHECK(request.headers.at("webhook-signature") ==
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  CHECK(request.headers.at("webhook-id") == "msg_p5jXN8AQM9LWM0D4loKWxJek");
  CHECK(request.headers.at("webhook-timestamp") == "1614265330");
  CHECK(request.method == "POST");
}

TEST_CASE("a notification verifies at a generic hook of our own") {
  const std::string secret = "0123456789abcdef0123";
  const HttpRequest request = notice_request("https://example.org/n", secret,
                                             {"msg_7", 1'700'000'000, R"({"event": "ping"})"});
  HookSpec spec;
  spec.name = "ours";
  spec.forge = Forge::kGeneric;
  spec.secrets = {secret};
  HookRequest delivery;
  for (const auto& [name, value] : request.headers) delivery.headers.emplace_back(name, value);
  delivery.body = request.body;
  delivery.received_ms = 1'700'000'001'000;
  CHECK(read_delivery(spec, delivery).event == HookEvent::kPing);
  spec.secrets = {"another-0123456789abcdef"};
  CHECK_THROWS_AS(read_delivery(spec, delivery), Error);
}

TEST_CASE("only 2xx means that a notification was taken; redirects are not followed") {
  CHECK(answer_of(200) == ErrorCode::kConflict);
  CHECK(answer_of(204) == ErrorCode::kConflict);
  CHECK(answer_of(410) == ErrorCode::kNotFound);
  for (int status : {302, 307, 400, 401, 404, 429, 500, 503}) {
    INFO(status);
    CHECK(answer_of(status) == ErrorCode::kUnavailable);
  }
  CHECK_THROWS_AS(notice_request("https://example.org/", "", {"a", 1, ""}), Error);
  CHECK_THROWS_AS(notice_request("file:///etc", "s", {"a", 1, ""}), Error);
}

}  // namespace
}  // namespace lockstep
