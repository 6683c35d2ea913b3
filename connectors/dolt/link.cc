#include "connectors/dolt/link.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "connectors/dolt/remote.h"
#include "connectors/sql/quote.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr int kTries = 4;
constexpr int kPause_ms = 50;  // doubled for each further try

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != text.npos;
}

}  // namespace

bool is_dolt_hash(std::string_view text) {
  return text.size() == 32 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'v');
         });
}

DoltConfig dolt_config(std::shared_ptr<DoltRemote> remote) {
  DoltConfig config;
  config.name = remote->config().name;
  config.server = remote->server().place();
  config.branch = remote->tracked();
  config.remote = std::move(remote);
  return config;
}

DoltLink::DoltLink(DoltConfig config) : config_(std::move(config)), sql_(config_.server) {}

void DoltLink::run(const std::function<void(SqlConnection&)>& call) {
  for (int attempt = 1;; ++attempt) {
    const bool was_open = sql_.is_open();
    const uint64_t before = sql_.sessions();
    try {
      std::optional<DoltOwnServer::Use> use;
      if (config_.remote) use.emplace(config_.remote->server());
      return call(sql_);
    } catch (const Error& failed) {
      // A server that can't be reached at all is not asked again at once.
      const bool lost = !sql_.is_open() && (was_open || sql_.sessions() != before);
      if (failed.code != ErrorCode::kUnavailable || !lost || attempt == kTries) {
        throw translated(failed);
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kPause_ms << attempt));
  }
}

std::vector<SqlCells> DoltLink::rows(const std::string& sql) {
  std::vector<SqlCells> out;
  run([&](SqlConnection& connection) { out = connection.rows(sql); });
  return out;
}

std::optional<std::string> DoltLink::value(const std::string& sql) {
  std::optional<std::string> out;
  run([&](SqlConnection& connection) { out = connection.value(sql); });
  return out;
}

std::string DoltLink::at(const std::string& commit) const {
  if (!is_dolt_hash(commit)) throw no_commit(commit);
  return quote_name(database() + "/" + commit);
}

Error DoltLink::error(ErrorCode code, const std::string& message, const std::string& hint) const {
  return Error(code, fmt::format("source {}: {}", config_.name, message), hint);
}

Error DoltLink::no_commit(const std::string& commit) const {
  return error(ErrorCode::kNotFound, fmt::format("there is no commit {}", printable(commit, 40)),
               "after a reset or the end of a branch dolt_gc collects commits that no tag holds");
}

// Most of what Dolt refuses has the same number.
Error DoltLink::translated(const Error& failed) const {
  static constexpr std::string_view kMissing[] = {
      "target commit not found", "invalid ref spec",
      "invalid ancestor spec",   "branch not found",
      "table not found",         "could not be found in any table",
      "database not found",      "cannot resolve default branch head",
  };
  ErrorCode code = failed.code;
  if (code == ErrorCode::kInvalid &&
      std::any_of(std::begin(kMissing), std::end(kMissing),
                  [&](std::string_view part) { return has(failed.message, part); })) {
    code = ErrorCode::kNotFound;
  }
  const std::string source = fmt::format("source {}: ", config_.name);
  const bool told = failed.message.compare(0, source.size(), source) == 0;
  return Error(code, told ? failed.message : source + failed.message, failed.hint, failed.where);
}

}  // namespace lockstep
