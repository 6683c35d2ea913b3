#include "pipeline/runner/capture.h"

#include "pipeline/base/files.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

std::string masked(std::vector<std::string> secrets, std::string_view text, size_t piece) {
  Masker masker(std::move(secrets));
  std::string out;
  for (size_t at = 0; at < text.size(); at += piece) out += masker.add(text.substr(at, piece));
  return out + masker.finish();
}

}  // namespace

TEST_CASE("secrets are masked wherever the stream is cut") {
  std::string text = "one hunter2 two hunter hunter22 hunt";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    CHECK(masked({"hunter2", ""}, text, piece) == "one *** two hunter ***2 hunt");
  }
}

TEST_CASE("overlapping and nested secrets leave nothing of either") {
  for (size_t piece : {1, 2, 3, 100}) {
    CHECK(masked({"abc", "cde"}, "xabcdey", piece) == "x***y");
    CHECK(masked({"ab", "abcd"}, "abcd abce", piece) == "*** ***ce");
    CHECK(masked({"aa"}, "aaaab", piece) == "***b");
    CHECK(masked({"two\nlines"}, "a two\nlines b", piece) == "a *** b");
  }
}

TEST_CASE("text without secrets is shown at once") {
  Masker masker({"password"});
  CHECK(masker.add("epoch 1\n") == "epoch 1\n");
  CHECK(masker.add("pass") == "");
  CHECK(masker.add("ed\n") == "passed\n");
}

TEST_CASE("a log has an end") {
  TempFolder temp;
  LogWriter log(temp.path() / "log", 10, {"secret"});
  log.add("12345");
  log.add("67890abc");
  log.add(std::string(1000, 'x'));
  log.finish();
  CHECK(real_files().read(temp.path() / "log") == "1234567890\n… log cut at 10 bytes\n");
  CHECK(log.total_bytes() == 1013);
}

TEST_CASE("a log of exactly its size is not cut") {
  TempFolder temp;
  LogWriter log(temp.path() / "log", 10, {});
  log.add("1234567890");
  log.finish();
  CHECK(real_files().read(temp.path() / "log") == "1234567890");
}
