#include "connectors/oci_registry/upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <optional>
#include <thread>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

std::string read_piece(const fs::path& file, uint64_t offset, size_t max) {
  std::ifstream in(file, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset));
  std::string piece(max, '\0');
  in.read(piece.data(), static_cast<std::streamsize>(max));
  piece.resize(static_cast<size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  return piece;
}

// "0-1048575": 1,048,576 bytes are there. Nothing: it is not said in a way that can be relied on
// ("0-0" is what registries say of one byte, and of none).
std::optional<uint64_t> bytes_there(const HttpResponse& answer) {
  std::string range = answer.header("range");
  if (range.substr(0, 6) == "bytes=") range = range.substr(6);
  if (range.substr(0, 2) != "0-") return std::nullopt;
  uint64_t last = 0;
  const char* end = range.data() + range.size();
  auto [stop, wrong] = std::from_chars(range.data() + 2, end, last);
  if (wrong != std::errc() || stop != end || last == 0) return std::nullopt;
  return last + 1;
}

}  // namespace

bool BlobUpload::mount(const std::string& repository) {
  HttpRequest request;
  request.method = "POST";
  request.url = door_.start;
  request.url.target +=
      "?mount=" + percent_encode(blob_.digest.str()) + "&from=" + percent_encode(repository);
  HttpResponse answer;
  try {
    answer = door_.ask(request);
  } catch (const Error& error) {
    // No right to read there, or a connection that was kept for too long: send() tries again.
    if (error.code != ErrorCode::kDenied && error.code != ErrorCode::kUnavailable) throw;
    return false;
  }
  if (answer.status == 201) return true;
  if (answer.status == 202) take_place(answer);
  return false;
}

void BlobUpload::take_place(const HttpResponse& answer) {
  std::string location = wire_location(answer.header("location"));
  if (location.empty()) {
    if (!open_) door_.refused(answer, "the start of an upload");
    return;
  }
  Url next = resolve_url(open_ ? at_ : door_.start, location);
  if (next.tls != door_.start.tls) {
    throw Error(ErrorCode::kDenied,
                fmt::format("{} wants uploads at {}, {} TLS", door_.place, next.authority(),
                            door_.start.tls ? "without" : "with"),
                "name the registry by the address it wants to be called");
  }
  at_ = next;
  open_ = true;
}

void BlobUpload::begin() {
  open_ = false;
  offset_ = 0;
  HttpRequest start;
  start.method = "POST";
  start.url = door_.start;
  HttpResponse answer = door_.ask(start);
  if (answer.status != 202) door_.refused(answer, "the start of an upload");
  take_place(answer);
}

HttpRequest BlobUpload::part(const char* method, uint64_t bytes) {
  HttpRequest request;
  request.method = method;
  request.url = at_;
  request.headers["Content-Type"] = "application/octet-stream";
  request.length = bytes;
  request.upload = [this, from = offset_](uint64_t offset, size_t max) {
    std::string piece = read_piece(file_, from + offset, max);
    if (from + offset == hashed_) {
      hash_.update(piece);
      hashed_ += piece.size();
    }
    return piece;
  };
  return request;
}

void BlobUpload::patch(uint64_t bytes) {
  HttpRequest request = part("PATCH", bytes);
  request.headers["Content-Range"] = fmt::format("{}-{}", offset_, offset_ + bytes - 1);
  HttpResponse answer = door_.ask(request);
  if (answer.status == 404 || answer.status == 416) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("{} answered {} to a part of blob {}", door_.place, answer.status,
                            blob_.digest.str()),
                "the registry has lost the upload; it is begun again");
  }
  if (answer.status != 202) door_.refused(answer, "a part of blob " + blob_.digest.str());
  take_place(answer);
  offset_ += bytes;
  std::optional<uint64_t> there = bytes_there(answer);
  if (there && *there != offset_) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("{} has {} bytes of blob {}, not {}", door_.place, *there,
                            blob_.digest.str(), offset_));
  }
}

void BlobUpload::finish() {
  HttpRequest put = part("PUT", blob_.size - offset_);
  if (offset_ == blob_.size) put.upload = nullptr;
  put.url.target += put.url.target.find('?') == std::string::npos ? "?digest=" : "&digest=";
  put.url.target += percent_encode(blob_.digest.str());
  HttpResponse answer = door_.ask(put);
  // Where something is wrong with the digest, our own bytes are the first suspect.
  if (answer.status == 201 || answer.status == 400) check_sent();
  if (answer.status == 201) return;
  if (answer.status == 404 && offset_ > 0) {
    throw Error(ErrorCode::kUnavailable, door_.place + " has lost an upload", "it is begun again");
  }
  door_.refused(answer, "blob " + blob_.digest.str());
}

void BlobUpload::check_sent() {
  while (hashed_ < blob_.size) {  // what the registry had of it before this process asked
    std::string piece = read_piece(file_, hashed_, 1 << 20);
    if (piece.empty()) break;
    hash_.update(piece);
    hashed_ += piece.size();
  }
  if (hashed_ == blob_.size && hash_.finish() == blob_.digest) return;
  throw Error(ErrorCode::kCorrupt,
              fmt::format("blob {} of the image layout has other bytes", blob_.digest.str()),
              "remove that file and build the release again");
}

void BlobUpload::transfer() {
  while (blob_.size - offset_ > door_.chunk_bytes) patch(door_.chunk_bytes);
  finish();
}

// After a broken connection: what the registry has of it, or all of it anew.
void BlobUpload::find_offset() {
  if (!open_) return begin();
  HttpRequest request;
  request.url = at_;
  HttpResponse answer = door_.ask(request);
  std::optional<uint64_t> there = bytes_there(answer);
  if (answer.status != 204 || !there || *there > blob_.size) return begin();
  take_place(answer);
  offset_ = *there;
}

void BlobUpload::send() {
  for (int tried = 1;; ++tried) {
    try {
      if (tried > 1) {
        find_offset();
      } else if (!open_) {
        begin();
      }
      return transfer();
    } catch (const Error& error) {
      if (error.code != ErrorCode::kUnavailable || tried >= door_.tries) throw;
    }
    std::this_thread::sleep_for(
        std::chrono::milliseconds(static_cast<int64_t>(door_.first_pause_ms) << (tried - 1)));
  }
}

}  // namespace lockstep
