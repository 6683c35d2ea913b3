// The line in docs/WEBHOOKS.md, run as it stands, against a server that reads deliveries.
#include <httplib.h>

#include <chrono>
#include <mutex>
#include <thread>

#include "pipeline/base/process.h"
#include "tests/catch.h"
#include "tests/connectors/forge/samples.h"

namespace lockstep {
namespace {

std::string documented_lines() {
  std::ifstream in(fs::path(LOCKSTEP_ROOT) / "docs/WEBHOOKS.md");
  std::stringstream text;
  text << in.rdbuf();
  const std::string page = text.str();
  const size_t from = page.find("```sh\n") + 6;
  REQUIRE(from > 6);
  return page.substr(from, page.find("```", from) - from);
}

class HookServer {
 public:
  explicit HookServer(HookSpec spec) : spec_(std::move(spec)) {
    server_.Post("/hooks/code", [this](const httplib::Request& in, httplib::Response& out) {
      HookRequest request;
      for (const auto& [name, value] : in.headers) request.headers.emplace_back(name, value);
      request.body = in.body;
      const auto now = std::chrono::system_clock::now().time_since_epoch();
      request.received_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
      std::lock_guard<std::mutex> lock(mutex_);
      try {
        deliveries_.push_back(read_delivery(spec_, request));
        out.status = 202;
      } catch (const Error& error) {
        out.status = error.code == ErrorCode::kDenied ? 403 : 400;
      }
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
  }
  ~HookServer() {
    server_.stop();
    thread_.join();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/hooks/code"; }
  std::vector<Delivery> deliveries() {
    std::lock_guard<std::mutex> lock(mutex_);
    return deliveries_;
  }

 private:
  HookSpec spec_;
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
  std::mutex mutex_;
  std::vector<Delivery> deliveries_;
};

ProcessResult send(const std::string& url, const std::string& secret) {
  const char* path = std::getenv("PATH");
  ProcessRequest request;
  request.argv = {"bash", "-euc", documented_lines()};
  request.env = {{"PATH", path ? path : "/usr/bin:/bin"}, {"URL", url}, {"SECRET", secret}};
  request.timeout_ms = 20'000;
  return run_process(request);
}

TEST_CASE("the documented lines with curl and openssl make a delivery that is taken") {
  HookSpec spec;
  spec.name = "code";
  spec.forge = Forge::kGeneric;
  spec.secrets = {"0123456789abcdef0123456789abcdef", kSecret};
  HookServer server(spec);
  for (const std::string& secret : spec.secrets) {
    const ProcessResult result = send(server.url(), secret);
    INFO(result.err);
    CHECK(result.exit_code == 0);
  }
  REQUIRE(server.deliveries().size() == 2);
  const Delivery d = server.deliveries().front();
  CHECK(d.event == HookEvent::kPush);
  CHECK(d.repository == "team/intents");
  REQUIRE(d.refs.size() == 1);
  CHECK(d.refs.front().branch == "main");
  CHECK(d.marks == std::vector<std::string>{"id:" + d.id});
  CHECK(server.deliveries().back().id != d.id);

  const ProcessResult refused = send(server.url(), "another secret, as long");
  CHECK(refused.exit_code == 22);  // curl's: an HTTP status of 400 or more
  CHECK(refused.err.find("403") != std::string::npos);
  CHECK(server.deliveries().size() == 2);
}

}  // namespace
}  // namespace lockstep
