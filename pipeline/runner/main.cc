// lockstep-runner: starts attempts and keeps what they left until it is collected.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/runner/server.h"

namespace lockstep {
namespace {

constexpr char kUsage[] =
    R"(lockstep-runner --state DIR [OPTION…]
Starts the attempts a Lockstep daemon asks for and outlives it: training goes on
while the daemon is away. Serves one Unix socket, to its own user only.

  --state DIR          everything it keeps; one runner per folder
  --socket PATH        where it listens (default DIR/runner.sock)
  --idle-exit SECONDS  leave when nobody was connected and nothing ran that long
  --torch PATH         the lockstep-torch program (default: beside this program)
  --quality PATH       the lockstep-quality program (likewise)
  --warm N             lockstep-torch processes kept loaded (default: one per processor)
  --log-bytes N        log kept per attempt (default 64 MiB)
  --cache-bytes N      inputs kept although no attempt needs them (default 4 GiB)
  --cpus N, --memory-bytes N, --no-gpus
                       offer this instead of what the machine has
SIGTERM ends the runner, not its attempts: the next one takes them up.
)";

[[noreturn]] void usage_error(const std::string& message) {
  throw Error(ErrorCode::kInvalid, message, "lockstep-runner --help shows how");
}

uint64_t parse_number(std::string_view flag, std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > (1ull << 50)) {
    usage_error(fmt::format("{} takes a whole number, not {}", flag, text));
  }
  return value;
}

std::string beside_this_program(const char* name) {
  std::error_code failed;
  fs::path self = fs::read_symlink("/proc/self/exe", failed);
  fs::path there = self.parent_path() / name;
  return !failed && fs::exists(there, failed) ? there.string() : name;
}

RunnerOptions parse(int argc, char** argv) {
  RunnerOptions options;
  options.torch = beside_this_program("lockstep-torch");
  options.quality = beside_this_program("lockstep-quality");
  uint64_t cpus = 0, memory = 0, warm = UINT64_MAX;
  bool gpus = true;
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    if (flag == "--no-gpus") {
      gpus = false;
      continue;
    }
    if (i + 1 == argc) usage_error(flag + " is unknown or lacks its value");
    std::string value = argv[++i];
    if (flag == "--state")
      options.state = fs::absolute(value);
    else if (flag == "--socket")
      options.socket = fs::absolute(value);
    else if (flag == "--torch")
      options.torch = value;
    else if (flag == "--quality")
      options.quality = value;
    else if (flag == "--idle-exit")
      options.idle_exit_s = int64_t(parse_number(flag, value));
    else if (flag == "--warm")
      warm = parse_number(flag, value);
    else if (flag == "--log-bytes")
      options.log_bytes = parse_number(flag, value);
    else if (flag == "--cache-bytes")
      options.cache_bytes = parse_number(flag, value);
    else if (flag == "--cpus")
      cpus = parse_number(flag, value);
    else if (flag == "--memory-bytes")
      memory = parse_number(flag, value);
    else
      usage_error("unknown option " + flag);
  }
  if (options.state.empty()) usage_error("--state is missing");
  options.machine = find_machine(gpus);
  if (cpus > 0) options.machine.cpus = static_cast<unsigned>(cpus);
  options.warm_workers = std::min<uint64_t>(warm, options.machine.cpus);
  if (memory > 0) options.machine.memory_bytes = memory;
  return options;
}

int exit_code(ErrorCode code) {
  if (code == ErrorCode::kInvalid) return 2;
  return code == ErrorCode::kConflict || code == ErrorCode::kDenied ? 4 : 3;
}

int run(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--help") {
      std::fputs(kUsage, stdout);
      return 0;
    }
  }
  umask(077);
  Server(parse(argc, argv)).run();
  return 0;
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) {
  try {
    return lockstep::run(argc, argv);
  } catch (const lockstep::Error& e) {
    std::fprintf(stderr, "lockstep-runner: %s\n", e.what());
    return lockstep::exit_code(e.code);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "lockstep-runner: %s\n", e.what());
    return 3;
  }
}
