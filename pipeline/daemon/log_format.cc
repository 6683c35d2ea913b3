#include "pipeline/daemon/log_format.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <mutex>
#include <set>

#include "pipeline/base/clock.h"
#include "pipeline/base/error.h"
#include "pipeline/base/json.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr size_t kMostMessage_bytes = 8 << 10;

class Masks {
 public:
  void add(const std::string& value) {
    constexpr size_t kLeast_bytes = 4;
    std::lock_guard<std::mutex> lock(mutex_);
    if (value.size() >= kLeast_bytes) values_.insert(value);
  }
  std::string apply(std::string text) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const std::string& value : values_) {
      for (size_t at = text.find(value); at != text.npos; at = text.find(value, at + 3)) {
        text.replace(at, value.size(), "***");
      }
    }
    return text;
  }
  static Masks& all() {
    static Masks masks;
    return masks;
  }

 private:
  // Longer ones first: one may hold another.
  struct Longer {
    bool operator()(const std::string& a, const std::string& b) const {
      return a.size() != b.size() ? a.size() > b.size() : a < b;
    }
  };
  std::mutex mutex_;
  std::set<std::string, Longer> values_;
};

std::string clean(const spdlog::details::log_msg& message) {
  std::string text(message.payload.data(), message.payload.size());
  return printable(Masks::all().apply(std::move(text)), kMostMessage_bytes);
}

class CleanText : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string text = clean(message);
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
    return std::make_unique<CleanText>();
  }
};

class JsonLines : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    auto since = message.time.time_since_epoch();
    Json line = {
        {"time", rfc3339(std::chrono::duration_cast<std::chrono::milliseconds>(since).count())},
        {"level", std::string(spdlog::level::to_string_view(message.level).data())},
        {"message", clean(message)}};
    const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonLines>();
  }
};

}  // namespace

void mask_in_logs(const std::string& value) {
  Masks::all().add(value);
}

void log_as(const std::string& format) {
  std::unique_ptr<spdlog::formatter> formatter;
  if (format == "json") {
    formatter = std::make_unique<JsonLines>();
  } else if (format == "text") {
    auto text = std::make_unique<spdlog::pattern_formatter>();
    text->add_flag<CleanText>('*').set_pattern("%Y-%m-%dT%H:%M:%S%z %^%l%$ %*");
    formatter = std::move(text);
  } else {
    throw Error(ErrorCode::kInvalid, "logs are written as text or json, not " + printable(format));
  }
  spdlog::set_formatter(std::move(formatter));
}

}  // namespace lockstep
