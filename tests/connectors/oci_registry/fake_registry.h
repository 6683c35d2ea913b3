// A small registry of lies: one handler says what it answers, and it remembers what it was asked.
// Knows nothing of clients.
#pragma once

#include <fmt/format.h>
#include <httplib.h>

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace lockstep {

class FakeRegistry {
 public:
  using Request = httplib::Request;
  using Response = httplib::Response;
  using Handler = std::function<void(const Request&, Response&)>;

  explicit FakeRegistry(Handler handler) {
    auto handle = [this, handler](const Request& request, Response& answer) {
      std::lock_guard<std::mutex> lock(mutex_);
      seen_.push_back(request.method + " " + request.target + " " +
                      request.get_header_value("Authorization"));
      handler(request, answer);
    };
    for (const char* all : {".*"}) {
      server_.Get(all, handle).Post(all, handle).Put(all, handle).Patch(all, handle);
    }
    server_.set_keep_alive_timeout(1);
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~FakeRegistry() {
    server_.stop();
    thread_.join();
  }
  FakeRegistry(const FakeRegistry&) = delete;
  FakeRegistry& operator=(const FakeRegistry&) = delete;

  int port() const { return port_; }
  std::string origin() const { return fmt::format("http://127.0.0.1:{}", port_); }
  std::string place() const { return fmt::format("127.0.0.1:{}/a", port_); }
  std::vector<std::string> seen() {
    std::lock_guard<std::mutex> lock(mutex_);
    return seen_;
  }

 private:
  httplib::Server server_;
  std::thread thread_;
  std::mutex mutex_;
  std::vector<std::string> seen_;
  int port_ = 0;
};

}  // namespace lockstep
