#include "pipeline/core/slice.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <span>

#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

const std::vector<std::string> kColumns = {"id", "intent", "text"};

Value text(std::string s) {
  return {ValueTag::kText, std::move(s)};
}
Value integer(int64_t i) {
  return {ValueTag::kInt, std::to_string(i)};
}

const Row kA = {integer(1), text("music"), text("play jazz")};
const Row kB = {integer(2), Value{}, text("")};
const Row kC = {integer(3), text("door"), text("öffne die Tür")};

std::string bytes(const Row& row) {
  return row_bytes(kColumns, row);
}

std::span<const uint8_t> span(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

SliceState of(const std::vector<std::string>& rows) {
  SliceState state;
  for (const std::string& row : rows) state.add(row);
  return state;
}

}  // namespace

TEST_CASE("row bytes: the vector of the format") {
  std::string a = bytes(kA);
  CHECK(hex(span(a)).starts_with("02000000696401010000003106000000696e74656e74"));
  CHECK(sha256(a).hex() == "08e9fa698f64805e1578743b762db9ea79b9bdc00773a2496ea9203c2ee218e0");
}

TEST_CASE("lanes: the vector of the format") {
  SliceState state = of({bytes(kA)});
  std::string kept = state.serialize();
  std::vector<int> lanes;
  for (size_t i = 8; i < 16; i += 2) {
    lanes.push_back(static_cast<uint8_t>(kept[i]) | static_cast<uint8_t>(kept[i + 1]) << 8);
  }
  CHECK(lanes == std::vector<int>{42031, 39391, 58535, 2420});
}

TEST_CASE("slice digests: the vectors of the format") {
  CHECK(SliceState().digest().hex() ==
        "c7e40ceb8baadb070d69219b6f35d2aa357faf5a24e9b2f46d97c15d710896cc");
  CHECK(of({bytes(kA)}).digest().hex() ==
        "40075fc4dbbff5b66bef5248b6cb3adbb96b13f9012f28a042625581a57108f8");
  CHECK(of({bytes(kC), bytes(kA), bytes(kB)}).digest().hex() ==
        "65dee2d4abc65b4b43783f03989003f12cde6baa3329f0e4357d356b98f3539e");
}

TEST_CASE("slice digest: the vector with an int, a decimal, a float, bytes and a datetime") {
  std::string tenth("\x3f\xb9\x99\x99\x99\x99\x99\x9a", 8);
  Row row = {{ValueTag::kDecimal, "1.5"},
             {ValueTag::kFloat, tenth},
             {ValueTag::kInt, "-5"},
             {ValueTag::kDatetime, "2026-03-03T14:00:00.000000"},
             {ValueTag::kBytes, std::string("\x00\xff", 2)}};
  CHECK(of({row_bytes({"d", "f", "k", "w", "x"}, row)}).digest().hex() ==
        "60d3e541a288ad5581a13c66184cef6cb9db5101456c8b3783921e8f280ca056");
}

TEST_CASE("NULL, empty text and a missing multiplicity are different rows") {
  std::set<std::string> all = {row_bytes({"a"}, {Value{}}), row_bytes({"a"}, {text("")}),
                               row_bytes({"a"}, {text("")}, 1), row_bytes({"a"}, {text("")}, 2),
                               row_bytes({"a"}, {Value{ValueTag::kBytes, ""}})};
  CHECK(all.size() == 5);
  CHECK(row_bytes({"a"}, {text("")}, 258).substr(10) == std::string("\x02\x01\0\0\0\0\0\0", 8));
}

TEST_CASE("digest columns: read, key and holdout key, sorted by bytes, each once") {
  CHECK(digest_columns({"text", "intent"}, {"id"}, {"Zone", "id"}) ==
        std::vector<std::string>{"Zone", "id", "intent", "text"});
}

TEST_CASE("row bytes refuse unsorted columns and rows of another width") {
  CHECK_THROWS_AS(row_bytes({"b", "a"}, {text("1"), text("2")}), Error);
  CHECK_THROWS_AS(row_bytes({"a", "a"}, {text("1"), text("2")}), Error);
  CHECK_THROWS_AS(row_bytes({"a"}, {text("1"), text("2")}), Error);
}

TEST_CASE("property: adding and removing in any order equals computing from scratch") {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::vector<std::string> present;
    SliceState state;
    for (int i = 0; i < 200; ++i) {
      if (!present.empty() && random() % 3 == 0) {
        size_t at = random() % present.size();
        state.remove(present[at]);
        present.erase(present.begin() + static_cast<std::ptrdiff_t>(at));
      } else {
        present.push_back(bytes({integer(static_cast<int>(random() % 50)), text("x"), Value{}}));
        state.add(present.back());
      }
    }
    std::shuffle(present.begin(), present.end(), random);
    CHECK(state.rows() == present.size());
    CHECK(state == of(present));
    CHECK(state.digest() == of(present).digest());
    for (const std::string& row : present) state.remove(row);
    CHECK(state.digest() == SliceState().digest());
  }
}

TEST_CASE("a slice of many rows with one changed cell has another digest, and the way back") {
  SliceState state = of({bytes(kA), bytes(kB), bytes(kC)});
  Digest before = state.digest();
  Row changed = kC;
  changed[1] = text("window");
  state.remove(bytes(kC));
  state.add(bytes(changed));
  CHECK(state.digest() != before);
  state.remove(bytes(changed));
  state.add(bytes(kC));
  CHECK(state.digest() == before);
}

TEST_CASE("removing from an empty slice is corrupt") {
  SliceState state;
  CHECK_THROWS_AS(state.remove(bytes(kA)), Error);
}

TEST_CASE("a slice state reads what it writes and refuses every other length") {
  SliceState state = of({bytes(kA), bytes(kB)});
  std::string kept = state.serialize();
  CHECK(kept.size() == 2056);
  CHECK(SliceState::parse(kept) == state);
  for (size_t length = 0; length < kept.size(); ++length) {
    CHECK_THROWS_AS(SliceState::parse(kept.substr(0, length)), Error);
  }
  CHECK_THROWS_AS(SliceState::parse(kept + "x"), Error);
}

TEST_CASE("holdout positions: the vectors of the format") {
  auto position = [](int64_t id) {
    return holdout_position("v1", row_bytes({"id"}, {integer(id)}));
  };
  CHECK(std::abs(position(1) - 0.249066) < 5e-7);
  CHECK(std::abs(position(2) - 0.675118) < 5e-7);
  CHECK(std::abs(position(3) - 0.567249) < 5e-7);
  CHECK(position(1) < 0.25);
}
