#include "connectors/dolt/own_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "pipeline/base/files.h"
#include "pipeline/base/json.h"
#include "pipeline/base/process.h"
#include "pipeline/base/text.h"

namespace lockstep {
namespace {

constexpr const char* kUser = "lockstep";
constexpr const char* kDatabase = "clone";
constexpr int kSettingUp_ms = 60'000;  // of one command
constexpr int kAnswer_ms = 30'000;     // until a started server answers
constexpr int kFirstPause_ms = 500, kLongestPause_ms = 60'000;
constexpr int kPatience_ms = 10'000;  // with who is in the midst of rows
constexpr int kTick_ms = 5;
constexpr size_t kLongestSocketPath = 107;  // sun_path, less its end
constexpr uint64_t kMaxLog_bytes = 1 << 20;

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void tick() {
  std::this_thread::sleep_for(std::chrono::milliseconds(kTick_ms));
}

std::string fresh_password() {
  unsigned char bytes[32];
  if (getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) {
    throw Error(ErrorCode::kUnavailable, "no random bytes to be had");
  }
  std::string out;
  for (unsigned char byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

int free_port(const std::string& name) {
  const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (fd.open() && bind(fd.get(), any, size) == 0 && getsockname(fd.get(), any, &size) == 0) {
    return ntohs(address.sin_port);
  }
  throw Error(ErrorCode::kUnavailable, fmt::format("source {}: no port for its own server", name));
}

// Dolt 1.46 and later keep users; before, a superuser `root` without a password came into being at
// each start unless the settings named another user, which later ones refuse to be told.
constexpr int kKeepsUsers = 46;

// Of the answer to `SELECT dolt_version()` as CSV, below other answers.
bool version_1_before(const std::string& csv, int minor) {
  const size_t at = csv.rfind("\n1.");
  return at != csv.npos && std::atoi(csv.c_str() + at + 3) < minor;
}

// YAML reads JSON's texts.
std::string quoted(const std::filesystem::path& path) {
  return Json(path.string()).dump(-1, ' ', true);
}

}  // namespace

DoltOwnServer::DoltOwnServer(DoltOwnConfig config)
    : config_(std::move(config)), password_(fresh_password()), socket_(config_.folder / "s") {
  if (socket_.string().size() <= kLongestSocketPath) return;
  // No address has room for it: reached from a descriptor of its folder.
  std::error_code ignored;  // said when it is opened
  std::filesystem::create_directories(config_.folder, ignored);
  folder_.reset(open(config_.folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder_.open()) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("source {}: cannot open {}", config_.name, config_.folder.string()));
  }
  socket_ = fmt::format("/proc/self/fd/{}/s", folder_.get());
}

DoltOwnServer::~DoltOwnServer() {
  kill_it();
}

SqlServer DoltOwnServer::place() const {
  SqlServer place;
  place.socket = socket_;
  place.user = kUser;
  place.password = password_;
  place.database = kDatabase;
  return place;
}

Environment DoltOwnServer::environment() const {
  const std::string home = (config_.folder / "home").string();
  Environment out = {{"HOME", home},
                     {"DOLT_ROOT_PATH", home},
                     {"DOLT_DISABLE_EVENT_FLUSH", "1"},
                     {"LC_ALL", "C"},
                     {"TZ", "UTC"}};
  for (const char* name : {"PATH", "HTTPS_PROXY", "https_proxy", "http_proxy", "ALL_PROXY",
                           "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"}) {
    if (const char* value = std::getenv(name)) out.emplace_back(name, value);
  }
  if (!config_.more) return out;
  for (auto& [name, value] : config_.more()) {
    const auto known = std::find_if(out.begin(), out.end(),
                                    [&, n = name](const auto& one) { return one.first == n; });
    if (known != out.end()) out.erase(known);
    out.emplace_back(name, value);
  }
  return out;
}

bool DoltOwnServer::running() {
  if (pid_ <= 0) return false;
  int status = 0;
  const pid_t gone = waitpid(pid_, &status, WNOHANG);
  if (gone == 0) return true;
  pid_ = 0;
  if (config_.warn && gone > 0) {
    config_.warn(fmt::format("source {}: its own server ended ({} {}); it is started again",
                             config_.name, WIFSIGNALED(status) ? "signal" : "exit code",
                             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
  }
  return false;
}

void DoltOwnServer::ensure() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!running()) start();
}

// What Dolt acknowledged is on the disk: it may be killed at any time.
void DoltOwnServer::kill_it() {
  if (pid_ <= 0) return;
  kill(-pid_, SIGKILL);  // it leads a group; while it is not reaped the number is its own
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
}

void DoltOwnServer::end() {
  std::lock_guard<std::mutex> lock(mutex_);
  kill_it();
}

void DoltOwnServer::restart() {
  std::lock_guard<std::mutex> lock(mutex_);  // keeps new users out
  if (running()) {                           // else that is said
    for (const int64_t until = now_ms() + kPatience_ms; users_ > 0 && now_ms() < until;) tick();
  }
  kill_it();
  start();
}

void DoltOwnServer::failed(const Error& error) {
  last_error_ = error.what();
  last_code_ = error.code;
  not_before_ms_ =
      now_ms() + std::min(kLongestPause_ms, kFirstPause_ms << std::min(failures_++, 10));
}

void DoltOwnServer::start() {
  if (now_ms() < not_before_ms_) throw Error(last_code_, last_error_);
  try {
    end_servers_with(config_.folder / "server.yaml");
    set_up();
    write_settings();
    std::filesystem::remove(config_.folder / "s");  // Dolt does not take over a killed one's
    pid_ = spawn();
    await_answer();
  } catch (const Error& error) {
    kill_it();
    const Error told(error.code,
                     fmt::format("source {}: its own Dolt server: {}", config_.name, error.message),
                     error.hint);
    failed(told);
    throw told;
  } catch (const std::filesystem::filesystem_error& error) {
    kill_it();
    failed(Error(ErrorCode::kUnavailable, error.what()));
    throw Error(last_code_, last_error_);
  }
  failures_ = 0;
  not_before_ms_ = 0;
  ++starts_;
}

// Metrics are switched off before anything else is called: else the first call starts a sender.
void DoltOwnServer::set_up() {
  if (set_up_) return;
  std::filesystem::create_directories(config_.folder / "home");
  std::filesystem::create_directories(data());
  std::filesystem::permissions(config_.folder, std::filesystem::perms::owner_all);
  run_dolt({"config", "--global", "--add", "metrics.disabled", "true"});
  if (!std::filesystem::exists(data() / kDatabase / ".dolt")) {
    const std::filesystem::path fresh = config_.folder / "new";
    std::filesystem::remove_all(fresh);  // what a killed process left
    std::filesystem::create_directories(fresh);
    run_dolt({"--data-dir", fresh.string(), "init", "-b", "lockstep-own", "--name", "Lockstep",
              "--email", "lockstep@localhost"});
    std::filesystem::rename(fresh, data() / kDatabase);
  }
  std::filesystem::remove(config_.folder / "privileges.db");  // of an earlier password
  const std::string said = run_dolt(
      {"--data-dir", data().string(), "--privilege-file",
       (config_.folder / "privileges.db").string(), "sql", "-r", "csv"},
      fmt::format("CREATE USER '{0}'@'%' IDENTIFIED BY '{1}';\n"
                  "GRANT ALL ON *.* TO '{0}'@'%' WITH GRANT OPTION;\nSELECT dolt_version();\n",
                  kUser, password_));
  names_user_ = version_1_before(said, kKeepsUsers);
  set_up_ = true;
}

std::string DoltOwnServer::run_dolt(std::vector<std::string> arguments, const std::string& input) {
  ProcessRequest request;
  request.argv = {config_.program};
  request.argv.insert(request.argv.end(), arguments.begin(), arguments.end());
  request.env = environment();
  request.folder = data().string();
  if (arguments[0] == "--data-dir" && arguments[2] == "init") request.folder = arguments[1];
  request.input = input;
  request.timeout_ms = kSettingUp_ms;
  request.max_output_bytes = 64 << 10;
  request.keep_newest = true;
  const ProcessResult result = run_process(request);
  if (result.ok()) return result.out;
  throw Error(ErrorCode::kUnavailable,
              fmt::format("{} {} failed: {}", config_.program, arguments[0],
                          printable(result.err.empty() ? result.out : result.err, 400)));
}

void DoltOwnServer::write_settings() const {
  const std::string text = fmt::format(
      "log_level: warning\n"
      "behavior: {{event_scheduler: \"OFF\"}}\n"
      "listener: {{host: 127.0.0.1, port: {}, socket: {}}}\n"
      "data_dir: {}\nprivilege_file: {}\n{}",
      free_port(config_.name), quoted(folder_.open() ? "../s" : socket_), quoted(data()),
      quoted(config_.folder / "privileges.db"),
      names_user_ ? fmt::format("user: {{name: {}}}\n", kUser) : "");
  real_files().write_atomic(config_.folder / "server.yaml", text, 0600);
}

pid_t DoltOwnServer::spawn() {
  const std::filesystem::path log = config_.folder / "server.log";
  const Fd out(open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  ProcessStart what;
  what.argv = {config_.program, "sql-server", "--config",
               (config_.folder / "server.yaml").string()};
  what.env = environment();
  what.folder = data().string();
  what.output = what.error = out.get();
  return start_process(what);
}

std::string DoltOwnServer::log_tail() const {
  constexpr size_t kShown = 400;
  try {
    std::string text = real_files().read(config_.folder / "server.log", kMaxLog_bytes);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return printable(text.size() > kShown ? text.substr(text.size() - kShown) : text, kShown);
  } catch (const Error&) {
    return "";
  }
}

void DoltOwnServer::await_answer() {
  SqlConnection probe(place());
  for (const int64_t until = now_ms() + kAnswer_ms; now_ms() < until; tick()) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) != 0) {
      pid_ = 0;
      throw Error(ErrorCode::kUnavailable, "does not start: " + log_tail());
    }
    try {
      if (probe.value("SELECT 1") == "1") return;
    } catch (const Error& error) {
      if (error.code != ErrorCode::kUnavailable) throw;
    }
  }
  throw Error(ErrorCode::kUnavailable, "does not answer: " + log_tail());
}

}  // namespace lockstep
