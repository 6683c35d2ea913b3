#include "pipeline/runner/attempts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <deque>
#include <fstream>

#include "pipeline/base/error.h"
#include "pipeline/base/files.h"
#include "pipeline/base/folder.h"
#include "pipeline/base/frames.h"
#include "pipeline/base/point.h"
#include "pipeline/runner/collect.h"
#include "pipeline/runner/process.h"

namespace lockstep {
namespace {

constexpr size_t kRememberForgotten = 20'000;
constexpr uint64_t kMaxDocument = 16ull << 20;

void write_plain(const Fd& fd, std::string_view text, const fs::path& file) {
  if (::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) return;
  throw Error(ErrorCode::kUnavailable,
              fmt::format("cannot write {}: {}", file.string(), std::strerror(errno)),
              errno == ENOSPC ? "free some space on the runner's disk" : "");
}

bool lock(const Fd& fd) {
  return flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
}

}  // namespace

Attempts::Attempts(const ShimSettings& settings, Blobs& blobs)
    : settings_(settings), blobs_(blobs), workers_(settings.torch, settings.warm_workers) {
  fs::create_directories(settings_.runner.attempts());
  fs::create_directories(settings_.runner.checkpoints());
  load_forgotten();
}

std::vector<Attempt*> Attempts::recover() {
  for (const auto& item : fs::directory_iterator(settings_.runner.attempts())) {
    std::string id = item.path().filename();
    if (valid_attempt_id(id) && item.is_directory()) recover_one(id);
  }
  std::vector<Attempt*> live;
  for (auto& [id, attempt] : all_) {
    if (attempt->running()) live.push_back(attempt.get());
  }
  return live;
}

void Attempts::recover_one(const std::string& id) {
  auto attempt = std::make_unique<Attempt>();
  attempt->id = id;
  attempt->paths.folder = settings_.runner.attempts() / id;
  attempt->shim = find_shim(*attempt);
  bool began = fs::exists(attempt->paths.pid());
  if (!attempt->running() && (!began || forgotten_.contains(id))) {
    // The runner died before a program could run (as if it had never been asked), or while it
    // was forgetting the attempt.
    remove_tree(attempt->paths.folder);
    return;
  }
  try {
    std::string text = real_files().read(attempt->paths.order(), kMaxDocument);
    Json stored = parse_json(text, "order.json");
    attempt->checkpoint = stored.value("checkpoint", "");
    for (const std::string& digest : stored.value("held", std::vector<std::string>())) {
      if (blobs_.has(Digest::parse(digest))) hold(*attempt, Digest::parse(digest));
    }
    if (!attempt->running()) load_result(*attempt);
  } catch (const std::exception& e) {
    if (!attempt->running()) lose(*attempt, e.what());
  }
  all_[id] = std::move(attempt);
}

// The order is locked exactly as long as the shim lives; a shim that was just forked has not
// written its pid yet.
Fd Attempts::find_shim(Attempt& attempt) {
  Fd order(open(attempt.paths.order().c_str(), O_RDONLY | O_CLOEXEC));
  if (!order.open()) return Fd();
  while (!lock(order)) {
    Fd pidfd;
    if (pid_t pid = read_shim_pids(attempt.paths.pid()).shim; pid > 0) pidfd = open_pidfd(pid);
    // Still locked after the descriptor was opened: the pid was not a stranger's.
    if (pidfd.open() && !lock(order)) return pidfd;
    timespec pause{0, 5'000'000};
    nanosleep(&pause, nullptr);
  }
  return Fd();
}

std::vector<Digest> Attempts::wanted(const Order& order, std::vector<Digest>* missing) const {
  std::vector<Digest> digests;
  auto add = [&](const Digest& digest, bool folder) {
    digests.push_back(digest);
    if (!blobs_.has(digest)) {
      missing->push_back(digest);
    } else if (folder) {
      for (const Digest& file : listed_digests(blobs_.path(digest))) {
        digests.push_back(file);
        if (!blobs_.has(file)) missing->push_back(file);
      }
    }
  };
  for (const OrderInput& input : order.inputs) add(input.digest, input.folder);
  if (order.code) add(*order.code, true);
  return digests;
}

Attempt* Attempts::start(const Order& order, std::vector<Digest>* missing) {
  if (auto it = all_.find(order.id); it != all_.end()) return it->second.get();
  if (forgotten_.contains(order.id)) {
    throw Error(ErrorCode::kConflict, "attempt " + order.id + " was run, collected and forgotten",
                "a new try needs a new id");
  }
  std::vector<Digest> digests = wanted(order, missing);
  if (!missing->empty()) return nullptr;
  auto attempt = std::make_unique<Attempt>();
  attempt->id = order.id;
  attempt->paths.folder = settings_.runner.attempts() / order.id;
  attempt->checkpoint = order.checkpoint;
  for (const Digest& digest : digests) hold(*attempt, digest);
  try {
    fork_shim(*attempt, order);
  } catch (...) {
    if (attempt->worker) workers_.give_back(std::move(attempt->worker), false);
    for (const Digest& digest : attempt->held) blobs_.release(digest);
    remove_tree(attempt->paths.folder);
    throw;
  }
  return (all_[order.id] = std::move(attempt)).get();
}

void Attempts::fork_shim(Attempt& attempt, const Order& order) {
  if (mkdir(attempt.paths.folder.c_str(), 0700) != 0) {
    throw Error(ErrorCode::kUnavailable, fmt::format("cannot create the folder of attempt {}: {}",
                                                     order.id, std::strerror(errno)));
  }
  point("runner.folder.made");
  Fd file(open(attempt.paths.order().c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.open() || !lock(file)) {
    throw Error(ErrorCode::kUnavailable, "cannot write the order of attempt " + order.id);
  }
  Json stored = write_order(order);
  stored["held"] = Json::array();
  for (const Digest& digest : attempt.held) stored["held"].push_back(digest.str());
  write_plain(file, canonical_json(stored), attempt.paths.order());
  // A worker has no memory limit of its own.
  bool torch = order.uses.starts_with("torch/") && order.memory_bytes == 0;
  if (torch) attempt.worker = workers_.take();
  point("runner.fork.before");
  pid_t pid = fork();
  if (pid == 0) run_shim(order, settings_, std::move(file), attempt.worker.get());
  if (torch && !attempt.worker) workers_.grow();  // for the next one
  if (pid < 0) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("cannot start a process: {}", std::strerror(errno)));
  }
  point("runner.fork.after");
  attempt.shim = open_pidfd(pid);
  if (attempt.running()) return;
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  throw Error(ErrorCode::kUnavailable,
              "cannot watch attempt " + order.id + ": too many open files");
}

void Attempts::hold(Attempt& attempt, const Digest& digest) {
  blobs_.hold(digest);
  attempt.held.push_back(digest);
}

void Attempts::finish(Attempt& attempt) {
  attempt.shim.reset();
  while (waitpid(-1, nullptr, WNOHANG) > 0) {  // its shim, where it is this runner's child
  }
  point("runner.finish.before");
  try {
    load_result(attempt);
  } catch (const std::exception& e) {
    lose(attempt, e.what());
  }
  point("runner.finish.after");
  if (attempt.worker) {
    workers_.give_back(std::move(attempt.worker), attempt.result.value("warm", false));
  }
}

void Attempts::load_result(Attempt& attempt) {
  if (!fs::exists(attempt.paths.result())) {
    return lose(attempt, "the attempt's process died without a result");
  }
  Json result =
      parse_bounded_json(real_files().read(attempt.paths.result(), kMaxDocument), "result.json");
  for (const auto& [text, size] : result.at("blobs").items()) {
    Digest digest = Digest::parse(text);
    fs::path file = attempt.paths.kept() / digest.hex();
    if (fs::exists(file)) blobs_.adopt(file, digest, size.get<uint64_t>());
    hold(attempt, digest);
  }
  attempt.result = std::move(result);
}

void Attempts::lose(Attempt& attempt, const std::string& why) {
  point("runner.lose.before");
  kill_leftovers(read_shim_pids(attempt.paths.pid()));
  Outcome outcome;
  outcome.end = "lost";
  outcome.error = why;
  attempt.result = outcome_json(attempt.id, outcome);
  try {
    real_files().write_atomic(attempt.paths.result(), canonical_json(attempt.result), 0600);
  } catch (const Error&) {
    // Still known to this runner; a later one comes to the same conclusion again.
  }
}

void Attempts::cancel(Attempt& attempt) {
  if (attempt.running()) signal_pidfd(attempt.shim, SIGUSR1);
}

Attempt& Attempts::get(const std::string& id) {
  auto it = all_.find(id);
  if (it == all_.end()) {
    throw Error(ErrorCode::kNotFound, "the runner knows no attempt " + printable(id));
  }
  return *it->second;
}

void Attempts::forget(const std::string& id, bool final) {
  Attempt& attempt = get(id);
  if (attempt.running()) {
    throw Error(ErrorCode::kConflict, "attempt " + id + " is still running", "cancel it first");
  }
  point("runner.forget.before");
  remember_forgotten(id);
  point("runner.forget.noted");
  remove_tree(attempt.paths.folder);
  point("runner.forget.removed");
  if (final && !attempt.checkpoint.empty()) {
    remove_tree(settings_.runner.checkpoint(attempt.checkpoint));
  }
  for (const Digest& digest : attempt.held) blobs_.release(digest);
  all_.erase(id);
}

void Attempts::remember_forgotten(const std::string& id) {
  fs::path file = settings_.runner.state / "forgotten";
  Fd fd(open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  write_plain(fd, id + "\n", file);
  forgotten_.insert(id);
}

void Attempts::load_forgotten() {
  fs::path path = settings_.runner.state / "forgotten";
  std::deque<std::string> newest;
  std::ifstream in(path);
  for (std::string id; std::getline(in, id);) {
    newest.push_back(id);
    if (newest.size() > kRememberForgotten) newest.pop_front();
  }
  std::string text;
  for (const std::string& id : newest) text += id + "\n";
  if (!newest.empty()) real_files().write_atomic(path, text, 0600);
  forgotten_.insert(newest.begin(), newest.end());
}

}  // namespace lockstep
