#include "pipeline/runner/machine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/runner/process.h"

namespace lockstep {
namespace {

constexpr int kProbeMs = 20'000;

unsigned count_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  unsigned cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  std::ifstream limit("/sys/fs/cgroup/cpu.max");
  double quota = 0, period = 0;
  if (limit >> quota >> period && period > 0) {  // "max 100000" does not read as a number
    cpus = std::min(cpus, static_cast<unsigned>(std::max(1.0, quota / period)));
  }
  return std::max(1u, cpus);
}

uint64_t count_memory() {
  struct sysinfo info {};
  uint64_t bytes = sysinfo(&info) == 0 ? info.totalram * info.mem_unit : 0;
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  uint64_t most = 0;
  return limit >> most && most > 0 ? std::min(bytes, most) : bytes;
}

std::string nvidia_smi() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "";
  Fd out(ends[0]), in(ends[1]);
  const char* path = std::getenv("PATH");
  Launch probe;
  probe.argv = {"nvidia-smi", "--query-gpu=index,name,memory.total",
                "--format=csv,noheader,nounits"};
  probe.env = {fmt::format("PATH={}", path ? path : "/usr/bin:/bin")};
  probe.folder = std::string("/");
  probe.output = in.get();
  pid_t pid = launch(probe);
  in.reset();
  std::string text;
  char buffer[4096];
  pollfd ready{out.get(), POLLIN, 0};
  while (text.size() < 1 << 20 && poll(&ready, 1, kProbeMs) > 0) {
    ssize_t n = read(out.get(), buffer, sizeof buffer);
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  return text;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::vector<Gpu> parse_gpus(std::string_view text) {
  std::vector<Gpu> gpus;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    size_t first = line.find(','), last = line.rfind(',');
    if (first == line.npos || first == last) continue;
    std::string index(trimmed(line.substr(0, first)));
    std::string memory(trimmed(line.substr(last + 1)));
    bool good = !index.empty() && !memory.empty() && index.size() < 5 && memory.size() < 10 &&
                (index + memory).find_first_not_of("0123456789") == std::string::npos;
    if (!good) continue;
    gpus.push_back({index, std::string(trimmed(line.substr(first + 1, last - first - 1))),
                    std::stoull(memory) << 20});
  }
  return gpus;
}

Machine find_machine(bool gpus) {
  Machine machine{count_cpus(), count_memory(), {}};
  std::error_code ignored;
  bool driver = fs::exists("/proc/driver/nvidia", ignored) || fs::exists("/dev/nvidiactl", ignored);
  if (!gpus || !driver) return machine;
  try {
    machine.gpus = parse_gpus(nvidia_smi());
  } catch (const Error&) {
    // A driver without its tool: devices can still be declared by the workspace.
  }
  return machine;
}

Json machine_json(const Machine& machine) {
  Json gpus = Json::array();
  for (const Gpu& gpu : machine.gpus) {
    gpus.push_back({{"index", gpu.index}, {"name", gpu.name}, {"memory_bytes", gpu.memory_bytes}});
  }
  return {{"cpus", machine.cpus}, {"memory_bytes", machine.memory_bytes}, {"gpus", gpus}};
}

}  // namespace lockstep
