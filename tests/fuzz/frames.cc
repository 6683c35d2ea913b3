// Frames between daemon and runner: the same ones whatever pieces they come in.
#include "pipeline/base/frames.h"

#include "tests/fuzz/fuzz.h"

using namespace lockstep;
using fuzz::claim;

namespace {

// `step` bytes at a time; an unreadable end is an empty frame.
std::vector<std::string> frames_of(std::string_view bytes, size_t step) {
  FrameReader reader;
  std::vector<std::string> out;
  fuzz::reads([&] {
    while (!bytes.empty()) {
      reader.add(bytes.substr(0, step));
      bytes.remove_prefix(std::min(step, bytes.size()));
      while (std::optional<Frame> frame = reader.next()) {
        claim(frame->header.is_object(), "a header is an object");
        out.push_back(encode_frame(frame->header, frame->payload));
      }
    }
  });
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  const std::vector<std::string> whole = frames_of(bytes, std::max<size_t>(size, 1));
  claim(frames_of(bytes, 1 + size / 7) == whole, "the same frames in pieces");
  std::string again;
  for (const std::string& frame : whole) again += frame;
  claim(frames_of(again, again.size() + 1) == whole, "what is written is read");
  return 0;
}
