// A store that can't be written, as on a full disk: serve stops taking what would have to be kept,
// goes on answering, and goes on by itself when it can.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "pipeline/daemon/daemon.h"

namespace lockstep {
namespace {

constexpr int64_t kTryEvery_ms = 1'000;

}  // namespace

std::optional<Error> Daemon::trouble() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (trouble_.empty()) return std::nullopt;
  return Error(ErrorCode::kUnavailable, "nothing is accepted now: " + trouble_,
               "it goes on by itself when the store can be written again");
}

// The turn was undone, so what the engine has in memory is not what the store has.
void Daemon::stop_accepting(const Error& error) {
  bool fresh = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    fresh = trouble_.empty();
    trouble_ = error.message;
  }
  if (fresh) spdlog::error("nothing is accepted now: {}", error.what());
  next_try_ms_ = clock_.now_ms() + kTryEvery_ms;
  engine_->hold(true);
  begin_again();
}

// From the store, as a new process would; questions are answered from it.
void Daemon::begin_again() {
  blind_ = true;
  try {
    db_.begin();  // opens the file again
    db_.rollback();
    engine_->begin_again(ledger_.load());
    blind_ = false;
  } catch (const Error& error) {
    if (error.code != ErrorCode::kUnavailable) throw;
    spdlog::warn("the store can't be read: {}", error.what());
  }
  std::lock_guard<std::mutex> lock(mutex_);
  progress_ = {};
  changed_.notify_all();
}

// Tried with what a turn needs: a transaction that is synced, and a file.
void Daemon::accept_again() {
  constexpr size_t kTried_bytes = 1 << 20;
  if (loop_over_ || clock_.now_ms() < next_try_ms_) {
    if (blind_) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return;
  }
  next_try_ms_ = clock_.now_ms() + kTryEvery_ms;
  const fs::path tried = parts_.state() / "room";
  try {
    real_files().write_atomic(tried, std::string(kTried_bytes, '.'), 0600);
    real_files().remove(tried);
    db_.begin();
    store_.set("tried", std::to_string(clock_.now_ms()));
    db_.commit();
    begin_again();
  } catch (const Error& error) {
    db_.rollback();
    std::lock_guard<std::mutex> lock(mutex_);
    trouble_ = error.message;
    return;
  }
  if (blind_) return;
  next_try_ms_ = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    trouble_.clear();
  }
  spdlog::info("the store can be written again; going on");
  engine_->hold(false);
  left_open_ = true;  // what was under way is planned again, and its attempts adopted
  hint();
}

// What a look keeps goes to the store, too: a turn that writes shows whether it is that which can't
// be written.
void Daemon::try_store() {
  try {
    in_loop([](Engine& engine) { engine.store().set("tried", std::to_string(engine.now_ms())); });
  } catch (const Error& error) {
    spdlog::debug("{}", error.what());  // said by the loop
  }
}

}  // namespace lockstep
