// Arrow IPC files: columns of plain types, one batch per file, uncompressed and mappable.
// Knows nothing of tables, keys or where rows come from.
//
// Layout: the Arrow columnar format, "IPC File Format" and "Encapsulated message format"
// (metadata version V5; little-endian). Buffers lie at multiples of 64 bytes from the beginning of
// the file. Equal columns give equal bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

constexpr uint64_t kMaxArrowRows = 65536;  // of a file that is written

enum class ArrowType : uint8_t {
  kInt64,
  kUint64,
  kFloat64,
  kUtf8,       // 32-bit offsets
  kBinary,     // 32-bit offsets
  kDate32,     // days since 1970-01-01
  kTime64,     // microseconds since midnight
  kTimestamp,  // microseconds since 1970-01-01, no zone
  kDuration,   // microseconds
  kDecimal128  // kDecimalDigits digits, kDecimalScale of them after the point
};

constexpr int kDecimalDigits = 38;
constexpr int kDecimalScale = 18;

struct ArrowColumn {
  std::string name;
  ArrowType type = ArrowType::kUtf8;
  bool operator==(const ArrowColumn&) const = default;
};

// "int64", "utf8", "decimal128", …
std::string_view word(ArrowType type);
// Bytes of one value; 0 for kUtf8 and kBinary.
size_t arrow_width(ArrowType type);

// One column of one batch. The views point into the file's bytes.
struct ArrowArray {
  ArrowType type = ArrowType::kUtf8;
  uint64_t rows = 0;
  uint64_t nulls = 0;
  std::string_view validity;  // bit i of byte i/8, least first; empty: no NULL
  std::string_view values;    // of fixed width, or the bytes that `offsets` cut; aligned to 8
  std::string_view offsets;   // rows + 1 times int32; empty for fixed width

  bool null(uint64_t row) const {
    return !validity.empty() && (validity[row / 8] >> (row % 8) & 1) == 0;
  }
  int64_t integer(uint64_t row) const;  // kInt64, kDate32, kTime64, kTimestamp, kDuration
  uint64_t natural(uint64_t row) const;
  double real(uint64_t row) const;
  __int128 decimal(uint64_t row) const;
  std::string_view bytes(uint64_t row) const;  // kUtf8, kBinary
};

// One column that is being made. A NULL takes the place of a value of zeros.
class ArrowBuilder {
 public:
  explicit ArrowBuilder(ArrowType type);

  void add_null();
  void add_integer(int64_t value);  // as ArrowArray::integer
  void add_natural(uint64_t value);
  void add_real(double value);
  void add_decimal(__int128 value);
  // UTF-8 is the caller's duty. Throws invalid where the column would pass 2 GiB.
  void add_bytes(std::string_view value);

  ArrowType type() const { return type_; }
  uint64_t rows() const { return rows_; }
  ArrowArray array() const;  // until the next add

 private:
  void add_valid(bool valid);
  template <typename T>
  void add_fixed(T value);

  ArrowType type_;
  uint64_t rows_ = 0;
  uint64_t nulls_ = 0;
  std::string validity_;
  std::string values_;
  std::string offsets_;
};

// A file with one batch, or none where there are no rows. `arrays` in the order of `columns`, all
// equally long, at most kMaxArrowRows. Throws invalid when they are not.
std::string write_arrow(const std::vector<ArrowColumn>& columns,
                        const std::vector<ArrowArray>& arrays);

// A file in memory, usually mapped. Every offset and length is checked against the bytes before it
// is used; what is compressed, nested, dictionary-encoded, big-endian or of another type than
// above is refused. Throws corrupt, with `place`.
class ArrowFile {
 public:
  // `bytes` must outlive the file and begin at an address that 8 divides.
  ArrowFile(std::string_view bytes, std::string_view place);

  const std::vector<ArrowColumn>& columns() const { return columns_; }
  size_t batches() const { return blocks_.size(); }
  // Columns of one batch: bounds, offsets, counts of NULLs and UTF-8 are checked here.
  std::vector<ArrowArray> batch(size_t index) const;

 private:
  struct Block {
    uint64_t offset, metadata_bytes, body_bytes;
  };
  [[noreturn]] void refuse(const std::string& why) const;
  void read_footer();
  ArrowArray read_array(ArrowType type, uint64_t rows, uint64_t nulls,
                        const std::vector<std::string_view>& buffers) const;

  std::string_view bytes_;
  std::string place_;
  uint64_t end_ = 0;  // of what blocks may cover: where the footer begins
  std::vector<ArrowColumn> columns_;
  std::vector<Block> blocks_;
};

}  // namespace lockstep
