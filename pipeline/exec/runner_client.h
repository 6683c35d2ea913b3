// One connection to a runner: its operations as calls, its events as they come.
// Knows nothing of plans, of the artifact store, or of how the runner was reached.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "pipeline/base/digest.h"
#include "pipeline/base/fd.h"
#include "pipeline/base/frames.h"

namespace lockstep {

// Thread-safe; calls of several threads are answered as the runner gets to them. Every call throws
// unavailable once the connection is gone (a client never connects again: make a new one), and
// otherwise what the runner answered.
class RunnerClient {
 public:
  // Called in the client's own thread; must not throw, and must not call this client.
  using EventSink = std::function<void(const Json& event)>;

  // Takes a fresh connection and greets. `lost` is called once, in the client's thread, when the
  // connection ends by itself. Throws conflict when the runner speaks another protocol.
  RunnerClient(Fd connection, EventSink on_event, std::function<void()> lost = nullptr);
  ~RunnerClient();
  RunnerClient(const RunnerClient&) = delete;
  RunnerClient& operator=(const RunnerClient&) = delete;

  // Sends `header` (with "op") and waits for its reply.
  Frame call(Json header, std::string_view payload = {});
  // The two halves of a call: several requests may be on their way before a reply is awaited. Every
  // request that was posted must be awaited once.
  uint64_t post(Json header, std::string_view payload = {});
  Frame await(uint64_t request);

  std::vector<Digest> missing(const std::vector<Digest>& digests);
  void put(const Digest& digest, std::string_view bytes);
  void put_file(const Digest& digest, const std::filesystem::path& file);
  // Whole blob; throws invalid when it is larger than `max_bytes`, corrupt when the bytes do not
  // match.
  std::string get(const Digest& digest, uint64_t max_bytes);
  // Into a new file. Throws corrupt when the bytes do not match; nothing is left then.
  void get_file(const Digest& digest, const std::filesystem::path& file);
  // Asks for a "finished" event of every attempt that has finished or will.
  void subscribe();

 private:
  void greet();
  void read_loop();
  void route(Frame frame);
  void end(const std::string& why);
  void send_all(std::string_view bytes);
  std::string get_piece(const Digest& digest, uint64_t offset, uint64_t* size);

  Fd fd_;
  EventSink on_event_;
  std::function<void()> lost_;
  std::mutex send_mutex_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable answered_;
  std::map<uint64_t, Frame> replies_;
  uint64_t next_seq_ = 1;
  bool ended_ = false;
  std::string why_ended_;
  std::atomic<bool> closing_{false};
  std::thread reader_;
};

}  // namespace lockstep
