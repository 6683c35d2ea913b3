#include "pipeline/runner/workers.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "pipeline/base/error.h"
#include "pipeline/runner/process.h"

namespace lockstep {
namespace {

constexpr int64_t kIdleMs = 10 * 60'000;
constexpr int kMaxDeaths = 3;

int64_t monotonic_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

bool dead(const Worker& worker) {
  pollfd ready{worker.pidfd.get(), POLLIN, 0};
  return poll(&ready, 1, 0) != 0;
}

void end(const Worker& worker) {
  if (!dead(worker)) kill(-worker.pid, SIGKILL);
}

std::unique_ptr<Worker> start_worker(const std::string& torch) {
  int to[2], from[2];
  if (pipe2(to, O_CLOEXEC) != 0) return nullptr;
  Fd worker_reads(to[0]), requests(to[1]);
  if (pipe2(from, O_CLOEXEC) != 0) return nullptr;
  Fd answers(from[0]), worker_writes(from[1]);
  const char* path = std::getenv("PATH");
  Launch launch_as;
  launch_as.argv = {torch, "serve"};
  launch_as.env = {fmt::format("PATH={}", path && *path ? path : "/usr/bin:/bin"), "HOME=/"};
  launch_as.folder = std::string("/");
  launch_as.input = worker_reads.get();
  launch_as.output = worker_writes.get();
  launch_as.error = STDERR_FILENO;
  launch_as.dies_with_parent = false;  // an attempt may be running in it when the runner dies
  auto worker = std::make_unique<Worker>();
  worker->pid = launch(launch_as);
  worker->pidfd = open_pidfd(worker->pid);
  worker->requests = std::move(requests);
  worker->answers = std::move(answers);
  worker->idle_since_ms = monotonic_ms();
  return worker->pidfd.open() ? std::move(worker) : nullptr;
}

}  // namespace

Workers::~Workers() {
  for (const auto& worker : idle_) end(*worker);
}

std::unique_ptr<Worker> Workers::take() {
  while (!idle_.empty()) {
    std::unique_ptr<Worker> worker = std::move(idle_.back());
    idle_.pop_back();
    if (!dead(*worker)) {
      ++busy_;
      return worker;
    }
    ++deaths_;
  }
  return nullptr;
}

void Workers::give_back(std::unique_ptr<Worker> worker, bool clean) {
  --busy_;
  if (clean && !dead(*worker)) {
    deaths_ = 0;
    worker->idle_since_ms = monotonic_ms();
    idle_.push_back(std::move(worker));
    return;
  }
  end(*worker);
}

void Workers::grow() {
  if (idle_.size() + busy_ >= most_ || deaths_ >= kMaxDeaths) return;
  try {
    if (auto worker = start_worker(torch_)) idle_.push_back(std::move(worker));
  } catch (const Error& e) {
    ++deaths_;
    std::fprintf(stderr, "no warm worker: %s\n", e.what());
  }
}

void Workers::tidy() {
  int64_t now = monotonic_ms();
  std::erase_if(idle_, [now](const auto& worker) {
    bool spent = now - worker->idle_since_ms > kIdleMs || dead(*worker);
    if (spent) end(*worker);
    return spent;
  });
}

}  // namespace lockstep
