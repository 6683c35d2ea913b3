// Frames: a JSON header and raw bytes, length-prefixed, as a daemon and a runner exchange them.
// Knows nothing of sockets or of what the headers say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/json.h"

namespace lockstep {

// On the wire: u32 LE header length, u32 LE payload length, header (a JSON object), payload.
inline constexpr uint32_t kMaxHeaderBytes = 16u << 20;
inline constexpr uint32_t kMaxPayloadBytes = 8u << 20;
inline constexpr size_t kFramePrefixBytes = 8;

struct Frame {
  Json header;
  std::string payload;
};

// Throws invalid when a part is over its limit or the header is not UTF-8.
std::string encode_frame(const Json& header, std::string_view payload = {});

// Cuts a stream of bytes, arriving in any pieces, into frames.
class FrameReader {
 public:
  void add(std::string_view bytes) { buffer_.append(bytes); }
  // The next whole frame, or nothing yet. Throws invalid as soon as the lengths, or later the
  // header, break a rule; the stream can't be read on after that.
  std::optional<Frame> next();
  // Bytes of an unfinished frame are waiting.
  bool partial() const { return at_ < buffer_.size(); }

 private:
  std::string buffer_;
  size_t at_ = 0;  // where the unread bytes begin
};

// JSON from a stranger: as parse_json, and at most `depth` levels deep.
Json parse_bounded_json(std::string_view text, std::string_view what, int depth = 64);

}  // namespace lockstep
