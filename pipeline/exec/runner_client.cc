#include "pipeline/exec/runner_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "pipeline/base/error.h"

namespace lockstep {
namespace fs = std::filesystem;
namespace {

constexpr int kProtocol = 1;
constexpr uint64_t kPieceBytes = 4 << 20;
constexpr auto kPatience = std::chrono::minutes(3);

[[noreturn]] void io_failed(const char* verb, const fs::path& file) {
  throw Error(ErrorCode::kUnavailable,
              fmt::format("cannot {} {}: {}", verb, file.string(), std::strerror(errno)),
              errno == ENOSPC ? "free some space" : "");
}

[[noreturn]] void corrupt(const Digest& digest) {
  throw Error(ErrorCode::kCorrupt, "the runner sent other bytes than " + digest.str());
}

void throw_error(const Json& error) {
  throw Error(error_code(error.value("code", "corrupt")), "runner: " + error.value("message", ""),
              error.value("hint", ""));
}

}  // namespace

RunnerClient::RunnerClient(Fd connection, EventSink on_event, std::function<void()> lost)
    : fd_(std::move(connection)), on_event_(std::move(on_event)), lost_(std::move(lost)) {
  reader_ = std::thread([this] { read_loop(); });
  try {
    greet();
  } catch (...) {
    closing_ = true;
    shutdown(fd_.get(), SHUT_RDWR);
    reader_.join();
    throw;
  }
}

RunnerClient::~RunnerClient() {
  closing_ = true;
  shutdown(fd_.get(), SHUT_RDWR);
  reader_.join();
}

void RunnerClient::greet() {
  call({{"op", "hello"}, {"protocol", kProtocol}});
}

Frame RunnerClient::call(Json header, std::string_view payload) {
  return await(post(std::move(header), payload));
}

uint64_t RunnerClient::post(Json header, std::string_view payload) {
  uint64_t seq = 0;
  {
    std::lock_guard guard(mutex_);
    seq = next_seq_++;
  }
  header["seq"] = seq;
  send_all(encode_frame(header, payload));
  return seq;
}

Frame RunnerClient::await(uint64_t seq) {
  std::unique_lock lock(mutex_);
  bool in_time =
      answered_.wait_for(lock, kPatience, [&] { return ended_ || replies_.contains(seq); });
  if (!in_time) {
    shutdown(fd_.get(), SHUT_RDWR);
    throw Error(ErrorCode::kUnavailable, "the runner did not answer for minutes",
                "is it stopped, or its disk stuck?");
  }
  auto it = replies_.find(seq);
  if (it == replies_.end()) throw Error(ErrorCode::kUnavailable, why_ended_);
  Frame reply = std::move(it->second);
  replies_.erase(it);
  lock.unlock();
  if (auto error = reply.header.find("error"); error != reply.header.end()) throw_error(*error);
  return reply;
}

void RunnerClient::send_all(std::string_view bytes) {
  std::lock_guard guard(send_mutex_);
  while (!bytes.empty()) {
    ssize_t n = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      shutdown(fd_.get(), SHUT_RDWR);  // half a frame may be out
      throw Error(ErrorCode::kUnavailable,
                  fmt::format("the connection to the runner broke: {}", std::strerror(errno)));
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

void RunnerClient::read_loop() {
  FrameReader reader;
  std::string buffer(1 << 18, '\0');
  try {
    while (true) {
      ssize_t n = recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return end("the connection to the runner ended");
      reader.add(std::string_view(buffer.data(), static_cast<size_t>(n)));
      while (std::optional<Frame> frame = reader.next()) route(std::move(*frame));
    }
  } catch (const std::exception& e) {
    shutdown(fd_.get(), SHUT_RDWR);
    end(std::string("the runner does not speak its protocol: ") + e.what());
  }
}

void RunnerClient::route(Frame frame) {
  if (frame.header.contains("event")) {
    if (on_event_) on_event_(frame.header);
    return;
  }
  auto seq = frame.header.find("re");
  if (seq == frame.header.end() || !seq->is_number_unsigned()) {
    std::string why = frame.header.value("/error/message"_json_pointer, "it made no sense");
    throw Error(ErrorCode::kUnavailable, why);
  }
  std::lock_guard guard(mutex_);
  replies_[seq->get<uint64_t>()] = std::move(frame);
  answered_.notify_all();
}

void RunnerClient::end(const std::string& why) {
  {
    std::lock_guard guard(mutex_);
    ended_ = true;
    why_ended_ = why;
    answered_.notify_all();
  }
  if (!closing_ && lost_) lost_();
}

std::vector<Digest> RunnerClient::missing(const std::vector<Digest>& digests) {
  std::vector<Digest> out;
  if (digests.empty()) return out;
  Json names = Json::array();
  for (const Digest& digest : digests) names.push_back(digest.str());
  Frame reply = call({{"op", "has"}, {"digests", names}});
  for (const Json& name : reply.header.at("missing")) {
    out.push_back(Digest::parse(name.get<std::string>()));
  }
  return out;
}

void RunnerClient::put(const Digest& digest, std::string_view bytes) {
  uint64_t offset = 0, size = bytes.size();
  do {
    std::string_view piece = bytes.substr(offset, kPieceBytes);
    call({{"op", "put"}, {"digest", digest.str()}, {"size", size}, {"offset", offset}}, piece);
    offset += piece.size();
  } while (offset < size);
}

void RunnerClient::put_file(const Digest& digest, const fs::path& file) {
  Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!fd.open() || fstat(fd.get(), &info) != 0) io_failed("read", file);
  uint64_t offset = 0, size = static_cast<uint64_t>(info.st_size);
  std::string piece;
  do {
    piece.resize(std::min(kPieceBytes, size - offset));
    ssize_t n = pread(fd.get(), piece.data(), piece.size(), static_cast<off_t>(offset));
    if (n < 0 || (n == 0 && size > 0)) io_failed("read", file);
    piece.resize(static_cast<size_t>(n));
    call({{"op", "put"}, {"digest", digest.str()}, {"size", size}, {"offset", offset}}, piece);
    offset += piece.size();
  } while (offset < size);
}

std::string RunnerClient::get_piece(const Digest& digest, uint64_t offset, uint64_t* size) {
  Frame reply =
      call({{"op", "get"}, {"digest", digest.str()}, {"offset", offset}, {"length", kPieceBytes}});
  *size = reply.header.at("size").get<uint64_t>();
  if (reply.payload.empty() && offset < *size) corrupt(digest);
  return std::move(reply.payload);
}

std::string RunnerClient::get(const Digest& digest, uint64_t max_bytes) {
  std::string bytes;
  uint64_t size = 0;
  do {
    bytes += get_piece(digest, bytes.size(), &size);
    if (size > max_bytes) {
      throw Error(ErrorCode::kInvalid,
                  fmt::format("{} has {} bytes, more than {}", digest.str(), size, max_bytes));
    }
  } while (bytes.size() < size);
  if (sha256(bytes) != digest) corrupt(digest);
  return bytes;
}

void RunnerClient::get_file(const Digest& digest, const fs::path& file) {
  Fd fd(open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.open()) io_failed("create", file);
  try {
    Sha256 hash;
    uint64_t at = 0, size = 0;
    do {
      std::string piece = get_piece(digest, at, &size);
      hash.update(piece);
      at += piece.size();
      for (std::string_view rest = piece; !rest.empty();) {
        ssize_t n = write(fd.get(), rest.data(), rest.size());
        if (n < 0) io_failed("write", file);
        rest.remove_prefix(static_cast<size_t>(n));
      }
    } while (at < size);
    if (hash.finish() != digest) corrupt(digest);
  } catch (...) {
    unlink(file.c_str());
    throw;
  }
}

void RunnerClient::subscribe() {
  call({{"op", "subscribe"}});
}

}  // namespace lockstep
