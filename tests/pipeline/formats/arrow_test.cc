#include "pipeline/formats/arrow.h"

#include <cstring>
#include <random>

#include "pipeline/base/digest.h"
#include "pipeline/base/error.h"
#include "tests/catch.h"

using namespace lockstep;

namespace {

// Bytes at an address as a mapped file has it.
struct Aligned {
  explicit Aligned(std::string_view bytes) : words(bytes.size() / 8 + 1), size(bytes.size()) {
    std::memcpy(words.data(), bytes.data(), size);
  }
  std::string_view view() const { return {reinterpret_cast<const char*>(words.data()), size}; }
  std::vector<uint64_t> words;
  size_t size;
};

const std::vector<ArrowColumn> kColumns = {
    {"i", ArrowType::kInt64},      {"u", ArrowType::kUint64},    {"f", ArrowType::kFloat64},
    {"t", ArrowType::kUtf8},       {"b", ArrowType::kBinary},    {"d", ArrowType::kDate32},
    {"h", ArrowType::kTime64},     {"w", ArrowType::kTimestamp}, {"l", ArrowType::kDuration},
    {"m", ArrowType::kDecimal128}, {"text ö", ArrowType::kUtf8}};

std::vector<ArrowBuilder> sample(size_t rows) {
  std::vector<ArrowBuilder> made;
  for (const ArrowColumn& column : kColumns) made.emplace_back(column.type);
  for (size_t row = 0; row < rows; ++row) {
    auto n = static_cast<int64_t>(row);
    for (size_t i = 0; i < kColumns.size(); ++i) {
      ArrowBuilder& to = made[i];
      if ((row + i) % 3 == 0 && i != 0) {
        to.add_null();
        continue;
      }
      switch (kColumns[i].type) {
        case ArrowType::kUint64:
          to.add_natural(UINT64_MAX - row);
          break;
        case ArrowType::kFloat64:
          to.add_real(0.1 * static_cast<double>(n));
          break;
        case ArrowType::kUtf8:
        case ArrowType::kBinary:
          to.add_bytes(std::string(row % 5, 'x') + "ö");
          break;
        case ArrowType::kDecimal128:
          to.add_decimal(static_cast<__int128>(-n) * 1'000'000'000'000'000'000);
          break;
        default:
          to.add_integer(n - 7);
      }
    }
  }
  return made;
}

std::string file_of(const std::vector<ArrowBuilder>& made) {
  std::vector<ArrowArray> arrays;
  for (const ArrowBuilder& builder : made) arrays.push_back(builder.array());
  return write_arrow(kColumns, arrays);
}

// Reads everything there is; the sum of it all keeps the reads from being left out.
uint64_t read_all(std::string_view bytes) {
  ArrowFile file(bytes, "f.arrow");
  uint64_t sum = 0;
  for (size_t i = 0; i < file.batches(); ++i) {
    for (const ArrowArray& array : file.batch(i)) {
      for (uint64_t row = 0; row < array.rows; ++row) {
        sum += array.null(row);
        if (arrow_width(array.type) == 0) {
          for (char c : array.bytes(row)) sum += static_cast<unsigned char>(c);
        } else if (array.type == ArrowType::kDecimal128) {
          sum += static_cast<uint64_t>(array.decimal(row));
        } else {
          sum += static_cast<uint64_t>(array.integer(row));
        }
      }
    }
  }
  return sum;
}

// True when the bytes were refused; any other error than a refusal fails the test.
bool refused(std::string_view bytes) {
  try {
    read_all(bytes);
    return false;
  } catch (const Error& e) {
    CHECK(e.code == ErrorCode::kCorrupt);
    CHECK(e.where == "f.arrow");
    return true;
  }
}

}  // namespace

TEST_CASE("Arrow: what is written is read back, without a copy") {
  auto made = sample(1000);
  Aligned bytes(file_of(made));
  ArrowFile file(bytes.view(), "f.arrow");
  CHECK(file.columns() == kColumns);
  REQUIRE(file.batches() == 1);
  auto arrays = file.batch(0);
  REQUIRE(arrays.size() == kColumns.size());
  for (size_t i = 0; i < arrays.size(); ++i) {
    ArrowArray from = made[i].array();
    INFO(kColumns[i].name);
    CHECK(arrays[i].rows == 1000);
    CHECK(arrays[i].nulls == from.nulls);
    CHECK(arrays[i].values == from.values);
    CHECK(arrays[i].offsets == from.offsets);
    CHECK(arrays[i].values.data() >= bytes.view().data());
    CHECK(arrays[i].values.data() < bytes.view().data() + bytes.size);
    CHECK((arrays[i].values.data() - bytes.view().data()) % 64 == 0);
    for (uint64_t row : {0u, 1u, 2u, 7u, 8u, 999u}) CHECK(arrays[i].null(row) == from.null(row));
  }
  CHECK(arrays[0].integer(0) == -7);
  CHECK(arrays[1].natural(1) == UINT64_MAX - 1);
  CHECK(arrays[2].real(2) == 0.2);
  CHECK(arrays[3].bytes(4) == "xxxxö");
  CHECK(arrays[5].integer(999) == 992);
  CHECK(arrays[9].decimal(2) == static_cast<__int128>(-2) * 1'000'000'000'000'000'000);
}

TEST_CASE("Arrow: no rows, no columns, nothing but NULLs") {
  Aligned none(file_of(sample(0)));
  ArrowFile file(none.view(), "f");
  CHECK(file.columns() == kColumns);
  CHECK(file.batches() == 0);
  Aligned bare(write_arrow({}, {}));
  CHECK(ArrowFile(bare.view(), "f").columns().empty());

  ArrowBuilder nulls(ArrowType::kUtf8);
  for (int i = 0; i < 9; ++i) nulls.add_null();
  Aligned bytes(write_arrow({{"n", ArrowType::kUtf8}}, {nulls.array()}));
  auto array = ArrowFile(bytes.view(), "f").batch(0).at(0);
  CHECK(array.nulls == 9);
  CHECK(array.null(8));
  CHECK(array.bytes(8).empty());
}

TEST_CASE("Arrow: equal columns give equal bytes; columns that fit not are refused") {
  CHECK(file_of(sample(100)) == file_of(sample(100)));
  // Holds the layout: whoever changes it changes the digest of every dataset.
  CHECK(sha256(file_of(sample(3))).hex().substr(0, 16) == "e0139165ab03ff9d");
  ArrowBuilder one(ArrowType::kInt64), two(ArrowType::kInt64);
  one.add_integer(1);
  CHECK_THROWS_AS(
      write_arrow({{"a", ArrowType::kInt64}, {"b", ArrowType::kInt64}}, {one.array(), two.array()}),
      Error);
  CHECK_THROWS_AS(write_arrow({{"a", ArrowType::kUint64}}, {one.array()}), Error);
  CHECK_THROWS_AS(write_arrow({}, {one.array()}), Error);
}

TEST_CASE("Arrow: a file cut anywhere is refused") {
  std::string whole = file_of(sample(20));
  for (size_t length = 0; length < whole.size(); ++length) {
    Aligned cut(whole.substr(0, length));
    INFO(length);
    REQUIRE(refused(cut.view()));
  }
  CHECK_FALSE(refused(Aligned(whole).view()));
}

TEST_CASE("Arrow: changed bytes are refused or read as other values, never out of bounds") {
  std::string whole = file_of(sample(9));
  int found = 0, changes = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::string bad = whole;
      if (static_cast<unsigned char>(bad[at]) == value) continue;
      bad[at] = static_cast<char>(value);
      found += refused(Aligned(bad).view());
      ++changes;
    }
  }
  CHECK(found > 500);
  CHECK(found < changes);  // a changed number is another number
}

TEST_CASE("Arrow: several bytes changed at once") {
  std::string whole = file_of(sample(9));
  std::mt19937 random(7);
  int found = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bad = whole;
    for (int n = 0; n < 4; ++n) bad[random() % bad.size()] = static_cast<char>(random());
    found += refused(Aligned(bad).view());
  }
  CHECK(found > 1000);
}

TEST_CASE("Arrow: text that is not UTF-8 is refused, bytes are not") {
  auto with = [](ArrowType type) {
    ArrowBuilder made(type);
    made.add_bytes("ok");
    made.add_bytes("\xc3");  // the first half of ö
    made.add_bytes("\xb6");  // the other half: valid only together
    return Aligned(write_arrow({{"t", type}}, {made.array()}));
  };
  CHECK(refused(with(ArrowType::kUtf8).view()));
  CHECK_FALSE(refused(with(ArrowType::kBinary).view()));
}
