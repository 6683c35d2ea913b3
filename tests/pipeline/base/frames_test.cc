#include "pipeline/base/frames.h"

#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

std::string prefix(uint32_t header, uint32_t payload) {
  std::string out;
  for (uint32_t value : {header, payload}) {
    for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift & 0xff);
  }
  return out;
}

}  // namespace

TEST_CASE("a frame has a fixed form") {
  std::string bytes = encode_frame({{"op", "x"}}, "abc");
  CHECK(bytes == prefix(10, 3) + "{\"op\":\"x\"}abc");
}

TEST_CASE("frames survive any cutting") {
  std::string stream = encode_frame({{"n", 1}}, "first") + encode_frame({{"n", 2}}) +
                       encode_frame({{"n", 3}}, std::string(100'000, 'z'));
  for (size_t piece : {1, 3, 7, 4096, 200'000}) {
    FrameReader reader;
    std::vector<Frame> frames;
    for (size_t at = 0; at < stream.size(); at += piece) {
      reader.add(std::string_view(stream).substr(at, piece));
      while (auto frame = reader.next()) frames.push_back(std::move(*frame));
    }
    REQUIRE(frames.size() == 3);
    CHECK(frames[0].payload == "first");
    CHECK(frames[1].header["n"] == 2);
    CHECK(frames[2].payload.size() == 100'000);
    CHECK_FALSE(reader.partial());
  }
}

TEST_CASE("a frame cut at any length is no frame") {
  std::string whole = encode_frame({{"op", "hello"}}, "payload");
  for (size_t length = 0; length < whole.size(); ++length) {
    FrameReader reader;
    reader.add(std::string_view(whole).substr(0, length));
    CHECK_FALSE(reader.next());
    CHECK(reader.partial() == (length > 0));
  }
}

TEST_CASE("frames outside the limits are refused by their lengths alone") {
  for (std::string bytes : {prefix(0, 0), prefix(1, 0), prefix(kMaxHeaderBytes + 1, 0),
                            prefix(2, kMaxPayloadBytes + 1), prefix(0xffffffff, 0xffffffff)}) {
    FrameReader reader;
    reader.add(bytes);
    CHECK_THROWS_AS(reader.next(), Error);
  }
  CHECK_THROWS_AS(encode_frame({{"op", "x"}}, std::string(kMaxPayloadBytes + 1, 'x')), Error);
  CHECK_THROWS_AS(encode_frame({{"op", "\xff"}}), Error);
}

TEST_CASE("a header must be a shallow JSON object") {
  std::string deep = "{\"a\":" + std::string(1000, '[') + std::string(1000, ']') + "}";
  for (std::string header : {std::string("[]"), std::string("{]"), std::string("42"), deep}) {
    FrameReader reader;
    reader.add(prefix(static_cast<uint32_t>(header.size()), 0) + header);
    CHECK_THROWS_AS(reader.next(), Error);
  }
}
