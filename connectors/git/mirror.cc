#include "connectors/git/mirror.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>

#include "connectors/git/names.h"
#include "connectors/git/repository.h"
#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/base/point.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != text.npos;
}

// What git said, as the error that leads on. Texts are git's and ssh's own, under LC_ALL=C.
struct Symptom {
  std::string_view text;
  ErrorCode code;
  std::string_view meaning;
  std::string_view hint;
};

constexpr std::string_view kCheckPlace = "check the source's place";
constexpr std::string_view kCheckCredentials = "check the source's credentials";

constexpr std::array<Symptom, 17> kSymptoms = {{
    {"Host key verification failed", ErrorCode::kDenied,
     "the host key is not known or not the same",
     "compare the key with the server's, then add it to known_hosts"},
    {"Permission denied (", ErrorCode::kDenied, "the server refused the credentials",
     kCheckCredentials},
    {"could not read Username", ErrorCode::kDenied, "the server wants credentials",
     "give the source credentials, or correct them"},
    {"could not read Password", ErrorCode::kDenied, "the server wants credentials",
     "give the source credentials, or correct them"},
    {"Authentication failed", ErrorCode::kDenied, "the server refused the credentials",
     kCheckCredentials},
    {"returned error: 403", ErrorCode::kDenied, "the server refused access", kCheckCredentials},
    {"returned error: 401", ErrorCode::kDenied, "the server refused the credentials",
     kCheckCredentials},
    {"returned error: 30", ErrorCode::kInvalid, "the server redirects to another address",
     "give the address it redirects to; often it ends in .git"},
    {"SSL certificate", ErrorCode::kDenied, "the server's certificate is not trusted",
     "give the source the certificate authority's file"},
    {"certificate verif", ErrorCode::kDenied, "the server's certificate is not trusted",
     "give the source the certificate authority's file"},
    {"mismatched algorithms", ErrorCode::kInvalid, "it has SHA-256 object names",
     "libgit2 1.5 reads SHA-1 repositories only"},
    {"does not appear to be a git repository", ErrorCode::kNotFound, "there is no git repository",
     kCheckPlace},
    {"not found", ErrorCode::kNotFound, "there is no git repository", kCheckPlace},
    {"does not exist", ErrorCode::kNotFound, "there is no git repository", kCheckPlace},
    {"returned error: 404", ErrorCode::kNotFound, "there is no git repository", kCheckPlace},
    {"No space left on device", ErrorCode::kUnavailable, "the disk is full", "free some space"},
    {"transport '", ErrorCode::kInvalid, "the server leads to a transport that is not allowed",
     kCheckPlace},
}};

Error remote_error(std::string_view doing, std::string_view place, std::string_view output) {
  for (const Symptom& symptom : kSymptoms) {
    if (!has(output, symptom.text)) continue;
    return Error(symptom.code, fmt::format("cannot {} {}: {}", doing, place, symptom.meaning),
                 std::string(symptom.hint));
  }
  while (!output.empty() && (output.back() == '\n' || output.back() == '\r')) {
    output.remove_suffix(1);
  }
  const size_t line = output.rfind('\n');
  const std::string last = printable(line == output.npos ? output : output.substr(line + 1), 300);
  return Error(ErrorCode::kUnavailable, fmt::format("cannot {} {}: {}", doing, place, last));
}

// A path as one double-quoted word of ssh_config(5), where '%' and '$' begin expansions.
std::string ssh_config_path(const std::filesystem::path& path) {
  const std::string text = std::filesystem::absolute(path).string();
  if (text.find_first_of("\"\\$\n\r") != text.npos) {
    throw Error(ErrorCode::kInvalid,
                fmt::format("the path {} can't be given to ssh", printable(text)),
                "use a path without quotes, backslashes, '$' and line ends");
  }
  std::string out = "\"";
  for (char c : text) out.append(c == '%' ? 2 : 1, c);
  return out + "\"";
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "[::1]" || host.substr(0, 4) == "127.";
}

[[noreturn]] void bad_place(std::string_view place, std::string_view why, std::string_view hint) {
  throw Error(ErrorCode::kInvalid, fmt::format("git place \"{}\" {}", printable(place), why),
              std::string(hint));
}

// Checks the part between "//" and the path.
void check_authority(std::string_view place, std::string_view authority, GitTransport transport) {
  const size_t at = authority.rfind('@');
  const std::string_view user = at == authority.npos ? "" : authority.substr(0, at);
  const std::string_view host = at == authority.npos ? authority : authority.substr(at + 1);
  // The place is not shown: it holds a secret.
  if (has(user, ":")) {
    bad_place("…", "holds a password", "name credentials instead; they never belong into a place");
  }
  if (host.empty() || host.front() == '-' || (!user.empty() && user.front() == '-')) {
    bad_place(place, "has no usable host", kCheckPlace);
  }
  const size_t colon = host.front() == '[' ? host.find("]:") : host.find(':');
  if (transport == GitTransport::kHttp && !is_loopback(host.substr(0, colon))) {
    bad_place(place, "would send everything unencrypted", "use https://");
  }
}

}  // namespace

bool is_local_place(std::string_view place) {
  if (has(place, "://")) return false;
  const size_t colon = place.find(':');
  return colon == place.npos || place.find('/') < colon;
}

GitUrl parse_git_url(std::string_view place) {
  const bool odd = std::any_of(place.begin(), place.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
  });
  if (odd) bad_place(place, "holds spaces or control characters", kCheckPlace);
  static constexpr std::pair<std::string_view, GitTransport> kSchemes[] = {
      {"https://", GitTransport::kHttps},
      {"http://", GitTransport::kHttp},
      {"ssh://", GitTransport::kSsh},
      {"file://", GitTransport::kFile}};
  for (const auto& [scheme, transport] : kSchemes) {
    if (place.substr(0, scheme.size()) != scheme) continue;
    const std::string_view rest = place.substr(scheme.size());
    const std::string_view authority = rest.substr(0, rest.find('/'));
    if (transport == GitTransport::kFile) {
      if (!authority.empty()) bad_place(place, "names a host", "write file:///path");
    } else {
      check_authority(place, authority, transport);
    }
    return {transport, std::string(place)};
  }
  const size_t colon = place.find(':');
  if (is_local_place(place) || has(place, "://") || has(place, "::")) {
    bad_place(place, "is not an address that can be fetched",
              "use https://, ssh://, user@host:path or file://");
  }
  check_authority(place, place.substr(0, colon), GitTransport::kSsh);
  if (place.substr(colon + 1, 1) == "-") bad_place(place, "has no usable path", kCheckPlace);
  return {GitTransport::kSsh, std::string(place)};
}

GitMirror::GitMirror(std::filesystem::path folder, std::string_view place,
                     GitCredentials credentials, GitFetchLimits limits)
    : folder_(std::filesystem::absolute(folder)),
      url_(parse_git_url(place)),
      credentials_(std::move(credentials)),
      limits_(limits) {
  const std::string& user = credentials_.username;
  if (has(user, ":") || has(user, "\n")) {
    throw Error(ErrorCode::kInvalid, "a git user name can't hold ':' or a line end");
  }
}

bool GitMirror::exists() const {
  return std::filesystem::exists(folder_ / "HEAD");
}

GitMirror::Env GitMirror::environment() const {
  static constexpr std::array<std::string_view, 4> kProtocols = {"https", "http", "ssh", "file"};
  Env config = {{"credential.helper", ""},
                {"core.askPass", ""},
                {"core.hooksPath", "/dev/null"},
                {"gc.auto", "0"},
                {"maintenance.auto", "false"},
                // Its last words are what is said of a fetch that failed.
                {"advice.fetchShowForcedUpdates", "false"},
                {"http.lowSpeedLimit", "1000"},
                {"http.lowSpeedTime", std::to_string(limits_.stall_s)},
                // A redirect would carry the header below to another host.
                {"http.followRedirects", credentials_.password.empty() ? "initial" : "false"}};
  const bool web = url_.transport == GitTransport::kHttps || url_.transport == GitTransport::kHttp;
  if (web && !credentials_.password.empty()) {
    const std::string user = credentials_.username.empty() ? "git" : credentials_.username;
    config.emplace_back("http.extraHeader",
                        "Authorization: Basic " + base64(user + ":" + credentials_.password));
  }
  if (!credentials_.ca_file.empty()) {
    config.emplace_back("http.sslCAInfo", std::filesystem::absolute(credentials_.ca_file).string());
  }
  Env env = {{"LC_ALL", "C"},
             {"HOME", folder_.string()},
             {"GIT_CONFIG_NOSYSTEM", "1"},
             {"GIT_CONFIG_SYSTEM", "/dev/null"},
             {"GIT_CONFIG_GLOBAL", (folder_ / "lockstep.gitconfig").string()},
             {"GIT_TERMINAL_PROMPT", "0"},
             {"GIT_ALLOW_PROTOCOL", std::string(kProtocols[static_cast<size_t>(url_.transport)])},
             // Fixed texts: the shell that git gives them to sees no value of ours.
             {"GIT_SSH_COMMAND", "ssh -F \"$LOCKSTEP_SSH_CONFIG\""},
             {"GIT_SSH_VARIANT", "ssh"},
             {"LOCKSTEP_SSH_CONFIG", (folder_ / "lockstep.ssh_config").string()},
             {"GIT_CONFIG_COUNT", std::to_string(config.size())}};
  for (size_t i = 0; i < config.size(); ++i) {
    env.emplace_back(fmt::format("GIT_CONFIG_KEY_{}", i), config[i].first);
    env.emplace_back(fmt::format("GIT_CONFIG_VALUE_{}", i), config[i].second);
  }
  for (const char* name : {"PATH", "HTTPS_PROXY", "https_proxy", "http_proxy", "ALL_PROXY",
                           "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"}) {
    if (const char* value = std::getenv(name)) env.emplace_back(name, value);
  }
  if (const char* agent = std::getenv("SSH_AUTH_SOCK"); agent && credentials_.ssh_key.empty()) {
    env.emplace_back("SSH_AUTH_SOCK", agent);
  }
  return env;
}

void GitMirror::write_ssh_config() const {
  std::string text = fmt::format(
      "Host *\n  BatchMode yes\n  StrictHostKeyChecking yes\n  UpdateHostKeys no\n"
      "  ConnectTimeout {}\n  ServerAliveInterval {}\n  ServerAliveCountMax 2\n"
      "  ForwardAgent no\n  PermitLocalCommand no\n  ControlMaster no\n",
      limits_.connect_s, std::max(1, limits_.stall_s / 2));
  if (!credentials_.ssh_key.empty()) {
    text += fmt::format("  IdentitiesOnly yes\n  IdentityFile {}\n",
                        ssh_config_path(credentials_.ssh_key));
  }
  if (!credentials_.known_hosts.empty()) {
    text += fmt::format("  GlobalKnownHostsFile /dev/null\n  UserKnownHostsFile {}\n",
                        ssh_config_path(credentials_.known_hosts));
  }
  real_files().write_atomic(folder_ / "lockstep.ssh_config", text, 0600);
}

void GitMirror::prepare() {
  if (prepared_) return;
  if (!exists()) GitRepository::create_bare(folder_);
  point("mirror.created");
  // file:// may lead to another owner's repository: the operator named it, so it is meant.
  real_files().write_atomic(folder_ / "lockstep.gitconfig", "[safe]\n\tdirectory = *\n");
  if (url_.transport == GitTransport::kSsh) write_ssh_config();
  prepared_ = true;
}

// What a git that was killed left behind, and would make every later fetch fail. Only one process
// fetches at a time, so no living one owns them.
void GitMirror::remove_leftovers() const {
  std::error_code ignored;
  for (const char* name : {"packed-refs.lock", "HEAD.lock", "config.lock", "shallow.lock"}) {
    std::filesystem::remove(folder_ / name, ignored);
  }
  std::vector<std::filesystem::path> found;
  using Walk = std::filesystem::recursive_directory_iterator;
  for (Walk at(folder_ / "refs", ignored), end; at != end; at.increment(ignored)) {
    if (at->path().extension() == ".lock") found.push_back(at->path());
  }
  for (Walk at(folder_ / "objects", ignored), end; at != end; at.increment(ignored)) {
    if (at->path().filename().string().rfind("tmp_", 0) == 0) found.push_back(at->path());
  }
  for (const auto& path : found) std::filesystem::remove_all(path, ignored);
}

// Of its output git's last words matter; two seconds let it remove its lock files.
ProcessResult GitMirror::run_git(std::vector<std::string> arguments) const {
  ProcessRequest request;
  request.argv = {"git", "--git-dir=" + folder_.string()};
  request.argv.insert(request.argv.end(), arguments.begin(), arguments.end());
  request.env = environment();
  request.folder = folder_.string();
  request.timeout_ms = limits_.limit_ms;
  request.grace_ms = 2'000;
  request.max_output_bytes = 64 * 1024;
  request.keep_newest = true;
  return run_process(request);
}

void GitMirror::run_fetch() const {
  point("mirror.fetch.before");
  const ProcessResult result =
      run_git({"fetch", "--quiet", "--prune", "--no-tags", "--no-recurse-submodules",
               "--no-write-fetch-head", "--no-auto-maintenance", "--no-show-forced-updates", "--",
               url_.text, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"});
  point("mirror.fetch.after");
  if (result.timed_out) throw too_slow("fetch");
  if (!result.ok()) throw remote_error("fetch", url_.text, result.err);
}

Error GitMirror::too_slow(std::string_view doing) const {
  return Error(ErrorCode::kUnavailable,
               fmt::format("cannot {} {}: no end after {} s", doing, url_.text,
                           (limits_.limit_ms + 999) / 1000),
               "the server hangs or is slow; it is asked again");
}

bool GitMirror::push(const std::string& branch, const std::string& from, const std::string& to) {
  prepare();
  const std::string full = "refs/heads/" + branch;
  const ProcessResult result = run_git(
      {"push", "--porcelain", "--no-verify", "--no-recurse-submodules",
       fmt::format("--force-with-lease={}:{}", full, from), "--", url_.text, to + ":" + full});
  if (result.timed_out) throw too_slow("push to");
  if (result.ok()) return true;
  // git-push(1), --porcelain: "!<TAB>from:to<TAB>[rejected] (reason)".
  const size_t line = result.out.find("\t[rejected]");
  if (line != result.out.npos) return false;
  const size_t remote = result.out.find("\t[remote rejected] (");
  if (remote == result.out.npos) throw remote_error("push to", url_.text, result.err);
  const size_t end = result.out.find('\n', remote);
  const std::string said = printable(result.out.substr(remote + 19, end - remote - 19), 200);
  // Two who push at once: the server's lock on the ref, or its own comparison.
  for (const char* race : {"cannot lock ref", "failed to update ref", "incorrect old value"}) {
    if (has(said, race)) return false;
  }
  throw Error(ErrorCode::kDenied,
              fmt::format("cannot push to {}: the server refused branch {} {}", url_.text,
                          printable(branch), said),
              "write to another branch, or allow it there");
}

// Joins packs without dropping anything: a plan may still read what no ref names any more.
void GitMirror::repack_if_many() const {
  std::error_code ignored;
  size_t packs = 0;
  for (std::filesystem::directory_iterator at(folder_ / "objects/pack", ignored), end; at != end;
       at.increment(ignored)) {
    packs += at->path().extension() == ".pack";
  }
  if (packs <= limits_.max_packs) return;
  // A failure costs speed only; the next fetch tries again.
  run_git({"repack", "--quiet", "-d", "--geometric=2"});
}

namespace {

std::mutex& turn_of(const std::filesystem::path& folder) {
  static std::mutex all;
  static std::map<std::string, std::mutex> each;  // there are as many as mirrors; none ever goes
  const std::lock_guard<std::mutex> lock(all);
  return each[std::filesystem::weakly_canonical(folder).string()];
}

}  // namespace

void GitMirror::fetch() {
  std::filesystem::create_directories(folder_);
  // A process may look at a place from two threads, each with a mirror of its own: they take turns.
  const std::lock_guard<std::mutex> turn(turn_of(folder_));
  const FileLock lock(folder_ / "lockstep.pid", "the mirror of " + url_.text);
  prepare();
  remove_leftovers();
  run_fetch();
  repack_if_many();
}

}  // namespace lockstep
