// Arrow files: every value of what is taken can be read, and written again reads the same.
#include "pipeline/formats/arrow.h"

#include <cstring>
#include <memory>

#include "tests/fuzz/fuzz.h"

using namespace lockstep;
using fuzz::claim;

namespace {

void read_value(const ArrowArray& array, uint64_t row, ArrowBuilder& out) {
  if (array.null(row)) return out.add_null();
  switch (array.type) {
    case ArrowType::kUint64:
      return out.add_natural(array.natural(row));
    case ArrowType::kFloat64:
      return out.add_real(array.real(row));
    case ArrowType::kDecimal128:
      return out.add_decimal(array.decimal(row));
    case ArrowType::kUtf8:
    case ArrowType::kBinary:
      return out.add_bytes(array.bytes(row));
    default:
      return out.add_integer(array.integer(row));
  }
}

void check_batch(const ArrowFile& file, size_t index) {
  const std::vector<ArrowArray> arrays = file.batch(index);
  claim(arrays.size() == file.columns().size(), "an array for each column");
  // A batch without columns may say any number of rows, and one of NULLs has bytes for all.
  if (arrays.empty() || arrays[0].rows > kMaxArrowRows) return;
  std::vector<ArrowBuilder> builders;
  for (const ArrowArray& array : arrays) {
    builders.emplace_back(array.type);
    for (uint64_t row = 0; row < array.rows; ++row) read_value(array, row, builders.back());
  }
  std::vector<ArrowArray> made;
  for (const ArrowBuilder& builder : builders) made.push_back(builder.array());
  const std::string bytes = write_arrow(file.columns(), made);
  const ArrowFile again(bytes, "written");
  claim(again.columns() == file.columns(), "the same columns");
  claim(again.batches() == (arrays[0].rows > 0 ? 1 : 0), "one batch, or none without rows");
  if (again.batches() == 0) return;
  const std::vector<ArrowArray> read = again.batch(0);
  for (size_t i = 0; i < read.size(); ++i) {
    claim(read[i].rows == arrays[i].rows && read[i].nulls == arrays[i].nulls, "as many values");
    ArrowBuilder other(read[i].type);
    for (uint64_t row = 0; row < read[i].rows; ++row) read_value(read[i], row, other);
    claim(other.array().values == made[i].values && other.array().offsets == made[i].offsets,
          "the same values");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // At an address that 8 divides, with nothing behind it that could be read unseen.
  const std::unique_ptr<char[]> copy(new char[size]);
  std::memcpy(copy.get(), data, size);
  std::unique_ptr<ArrowFile> file;
  const std::string_view bytes(copy.get(), size);
  if (!fuzz::reads([&] { file = std::make_unique<ArrowFile>(bytes, "fuzz"); })) return 0;
  for (size_t i = 0; i < file->batches(); ++i) {
    fuzz::reads([&] { check_batch(*file, i); });
  }
  return 0;
}
