#include "pipeline/formats/safetensors.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/error.h"
#include "tests/catch.h"

namespace lockstep {
namespace {

std::string file_with(const std::string& header, const std::string& buffer) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return out + header + buffer;
}

std::string refusal(const std::string& bytes) {
  try {
    read_safetensors(bytes, "m.safetensors");
  } catch (const Error& error) {
    REQUIRE(error.code == ErrorCode::kCorrupt);
    REQUIRE(error.where == "m.safetensors");
    return error.message;
  }
  return "";
}

TensorFile sample() {
  return {{{"format", "test.1"}, {"labels", "[\"düster\"]"}},
          {{"b.weight", "F32", {1, 2}, std::string("\0\0\x80\x3f\0\0\0\x40", 8)},
           {"a.bias", "U8", {3}, "xyz"},
           {"scalar", "I64", {}, std::string(8, '\1')},
           {"none", "F32", {0, 7}, ""}}};
}

TEST_CASE("safetensors: what is written reads back, whatever order it was given in") {
  TensorFile file = sample();
  std::string bytes = write_safetensors(file);
  std::swap(file.tensors[0], file.tensors[3]);
  CHECK(write_safetensors(file) == bytes);
  TensorFile back = read_safetensors(bytes, "m");
  CHECK(back.metadata == file.metadata);
  REQUIRE(back.tensors.size() == 4);
  CHECK(back.tensors.front().name == "a.bias");
  REQUIRE(back.find("b.weight") != nullptr);
  CHECK(back.find("b.weight")->shape == std::vector<uint64_t>{1, 2});
  CHECK(back.find("b.weight")->bytes == sample().tensors[0].bytes);
  CHECK(back.find("scalar")->shape.empty());
  CHECK(back.find("none")->bytes.empty());
  CHECK(back.find("nothing") == nullptr);
  CHECK(write_safetensors(back) == bytes);
}

TEST_CASE("safetensors: the bytes are fixed and the buffer is aligned") {
  std::string bytes = write_safetensors({{{"k", "v"}}, {{"t", "U8", {2}, "hi"}}});
  CHECK(bytes.substr(8) ==
        R"({"__metadata__":{"k":"v"},"t":{"data_offsets":[0,2],"dtype":"U8","shape":[2]}}  hi)");
  CHECK(static_cast<uint8_t>(bytes[0]) == 80);
  CHECK((8 + 80) % 8 == 0);
  CHECK(read_safetensors(write_safetensors({}), "m").tensors.empty());
}

TEST_CASE("safetensors: every shorter file and every longer one is refused") {
  std::string bytes = write_safetensors(sample());
  for (size_t length = 0; length < bytes.size(); ++length) {
    INFO("length " << length);
    CHECK(refusal(bytes.substr(0, length)) != "");
  }
  CHECK(refusal(bytes) == "");
  CHECK(refusal(bytes + '\0').find("goes on after") != std::string::npos);
}

TEST_CASE("safetensors: hostile headers are refused") {
  auto refused = [](const std::string& header, const std::string& buffer, const char* why) {
    INFO(header);
    CHECK(refusal(file_with(header, buffer)).find(why) != std::string::npos);
  };
  std::string eight(8, 'x');
  refused(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,9]}})", eight, "outside the file");
  refused(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[8,0]}})", eight, "outside the file");
  refused(R"({"a":{"dtype":"U8","shape":[7],"data_offsets":[0,8]}})", eight, "as long as");
  refused(R"({"a":{"dtype":"Q8","shape":[8],"data_offsets":[0,8]}})", eight, "as long as");
  refused(R"({"a":{"dtype":"U8","shape":[-8],"data_offsets":[0,8]}})", eight, "whole number");
  refused(R"({"a":{"dtype":"U8","shape":[8.0],"data_offsets":[0,8]}})", eight, "whole number");
  refused(R"({"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,8]}})", eight,
          "whole number");
  refused(R"({"a":{"dtype":"F64","shape":[4294967296,4294967297],"data_offsets":[0,8]}})", eight,
          "as long as");
  refused(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8],"x":1}})", eight, "nothing else");
  refused(R"({"a":{"dtype":"U8","shape":[8]}})", eight, "nothing else");
  refused(R"({"a":[],"b":1})", eight, "nothing else");
  refused(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},)"
          R"("a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
          eight, "twice");
  refused(R"({"a":{"dtype":"U8","dtype":"I8","shape":[8],"data_offsets":[0,8]}})", eight, "twice");
  refused(R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]},)"
          R"("b":{"dtype":"U8","shape":[5],"data_offsets":[3,8]}})",
          eight, "overlaps");
  refused(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
          R"("b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
          eight, "gap");
  refused(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", eight, "goes on after");
  refused(R"({"__metadata__":{"k":1}})", "", "other than text");
  refused(R"({"__metadata__":[]})", "", "not an object");
  refused(R"( {})", "", "begin with {");
  refused("", "", "begin with {");
  refused("{", "", "not JSON");
  refused("{\"\xff\":1}", "", "not JSON");
  refused("{\"a\":" + std::string(200000, '[') + std::string(200000, ']') + "}", "", "too deep");
}

TEST_CASE("safetensors: a header length beyond the limit or the address space is refused") {
  CHECK(refusal(std::string(8, '\xff') + "{}").find("at most") != std::string::npos);
  std::string huge(8, '\0');
  huge[3] = 1;
  CHECK(refusal(huge + std::string(100, ' ')).find("at most") != std::string::npos);
  huge[3] = 0;
  huge[1] = 1;
  CHECK(refusal(huge + "{}").find("ends inside its header") != std::string::npos);
}

TEST_CASE("safetensors: the writer refuses what no reader would take") {
  CHECK_THROWS_AS(write_safetensors({{}, {{"a", "F32", {2}, "1234"}}}), Error);
  CHECK_THROWS_AS(write_safetensors({{}, {{"a", "F33", {1}, "1234"}}}), Error);
  CHECK_THROWS_AS(write_safetensors({{}, {{"a", "U8", {1}, "1"}, {"a", "U8", {1}, "2"}}}), Error);
  CHECK_THROWS_AS(write_safetensors({{}, {{"__metadata__", "U8", {1}, "1"}}}), Error);
  CHECK_THROWS_AS(write_safetensors({{}, {{"\xff", "U8", {1}, "1"}}}), Error);
}

}  // namespace
}  // namespace lockstep
