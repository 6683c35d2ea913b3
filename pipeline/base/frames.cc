#include "pipeline/base/frames.h"

#include <fmt/format.h>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

void append_u32(std::string& out, uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift & 0xff);
}

uint32_t read_u32(std::string_view bytes) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

void check_lengths(uint64_t header, uint64_t payload) {
  if (header >= 2 && header <= kMaxHeaderBytes && payload <= kMaxPayloadBytes) return;
  throw Error(ErrorCode::kInvalid,
              fmt::format("a frame of {} + {} bytes is outside the limits ({} + {})", header,
                          payload, kMaxHeaderBytes, kMaxPayloadBytes),
              "bytes larger than a payload travel in pieces");
}

}  // namespace

std::string encode_frame(const Json& header, std::string_view payload) {
  std::string text = canonical_json(header);
  check_lengths(text.size(), payload.size());
  std::string out;
  out.reserve(kFramePrefixBytes + text.size() + payload.size());
  append_u32(out, static_cast<uint32_t>(text.size()));
  append_u32(out, static_cast<uint32_t>(payload.size()));
  out += text;
  out += payload;
  return out;
}

std::optional<Frame> FrameReader::next() {
  std::string_view rest = std::string_view(buffer_).substr(at_);
  if (rest.size() < kFramePrefixBytes) return std::nullopt;
  uint32_t header = read_u32(rest), payload = read_u32(rest.substr(4));
  check_lengths(header, payload);
  size_t whole = kFramePrefixBytes + header + payload;
  if (rest.size() < whole) return std::nullopt;
  Frame frame;
  frame.header = parse_bounded_json(rest.substr(kFramePrefixBytes, header), "a frame's header");
  if (!frame.header.is_object()) throw Error(ErrorCode::kInvalid, "a frame's header is no object");
  frame.payload = rest.substr(kFramePrefixBytes + header, payload);
  at_ += whole;
  // Moving the rest down only when half is spent keeps many small frames linear.
  if (at_ == buffer_.size() || at_ > buffer_.size() / 2) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  return frame;
}

Json parse_bounded_json(std::string_view text, std::string_view what, int depth) {
  auto shallow = [depth](int level, Json::parse_event_t, Json&) {
    if (level > depth) throw Error(ErrorCode::kInvalid, "JSON is nested too deeply");
    return true;
  };
  try {
    return Json::parse(text, shallow);
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::kInvalid, std::string(what) + " is not JSON: " + e.what());
  }
}

}  // namespace lockstep
