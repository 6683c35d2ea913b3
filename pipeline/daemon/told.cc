#include "pipeline/daemon/told.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <map>

#include "pipeline/base/json.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr int kMostAlike = 10;

struct Line {
  spdlog::level::level_enum level = spdlog::level::info;
  std::string text;  // empty: nothing that a log needs
};

std::string field(const Json& data, const char* name) {
  auto found = data.find(name);
  if (found == data.end() || found->is_null()) return "";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string because(const std::string& why) {
  return why.empty() ? "" : ": " + printable(why);
}

Line of_alias(const Json& data) {
  const std::string what = field(data, "alias") + " of " + field(data, "model");
  const std::string why = because(field(data, "why"));
  if (field(data, "to") == "0") return {spdlog::level::info, what + " is no version now" + why};
  return {spdlog::level::info, fmt::format("{} is version {}{}", what, field(data, "to"), why)};
}

Line line_of(const Event& event) {
  const Json data = parse_json(event.data, "an event");
  const std::string result = field(data, "result"), state = field(data, "state");
  if (event.kind == "run" && result != "running") {
    return {result == "failed" ? spdlog::level::warn : spdlog::level::info,
            fmt::format("run {} has ended: {}", field(data, "run"), result)};
  }
  if (event.kind == "attempt" && (result == "failed" || result == "lost")) {
    return {spdlog::level::warn,
            fmt::format("{} {}{}", field(data, "step"), result, because(field(data, "error")))};
  }
  if (event.kind == "step" && (state == "blocked" || state == "failed")) {
    return {spdlog::level::warn,
            fmt::format("{} is {}{}", field(data, "step"), state, because(field(data, "note")))};
  }
  if (event.kind == "release") {
    return {spdlog::level::info, fmt::format("{} is {}{}", field(data, "channel"),
                                             field(data, "to"), because(field(data, "why")))};
  }
  if (event.kind == "note") return {spdlog::level::info, printable(field(data, "text"))};
  // Other aliases follow a channel, which has a line of its own.
  return field(data, "alias") == "champion" ? of_alias(data) : Line();
}

}  // namespace

void log_events(const std::vector<Event>& events) {
  std::map<std::string, int> seen;  // kind → lines
  for (const Event& event : events) {
    const Line line = line_of(event);
    if (line.text.empty() || ++seen[event.kind] > kMostAlike) continue;
    spdlog::log(line.level, "{}", line.text);
  }
  for (const auto& [kind, lines] : seen) {
    if (lines > kMostAlike) spdlog::info("{} more of kind {}", lines - kMostAlike, kind);
  }
}

}  // namespace lockstep
