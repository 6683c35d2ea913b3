// The file around the batches: magic, messages, bodies, footer.
#include <fmt/format.h>

#include <cstring>

#include "pipeline/base/error.h"
#include "pipeline/base/json.h"
#include "pipeline/formats/arrow.h"
#include "pipeline/formats/arrow_metadata.h"

namespace lockstep {
namespace {

constexpr std::string_view kMagic = "ARROW1";
constexpr size_t kBegin = 8;     // the magic, padded
constexpr size_t kAlign = 64;    // of bodies and buffers, from the file's beginning
constexpr size_t kPrefix = 8;    // before metadata: a mark and its length
constexpr size_t kTrailer = 10;  // after the footer: its length and the magic
constexpr uint64_t kMaxMetadata_bytes = 256ull << 20;
constexpr uint32_t kMark = 0xffffffff;

void append_u32(std::string& out, uint32_t value) {
  for (int i = 0; i < 4; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

uint32_t load_u32(std::string_view bytes) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

void pad(std::string& out, size_t to) {
  out.append((to - out.size() % to) % to, '\0');
}

// Appends a message, padded so that what follows it is aligned; returns the length with prefix.
size_t append_message(std::string& out, std::string_view metadata) {
  size_t begin = out.size();
  append_u32(out, kMark);
  append_u32(out, 0);
  out += metadata;
  pad(out, kAlign);
  std::string length;
  append_u32(length, static_cast<uint32_t>(out.size() - begin - kPrefix));
  out.replace(begin + 4, 4, length);
  return out.size() - begin;
}

// The buffers of a column, in the format's order.
std::vector<std::string_view> buffers_of(const ArrowArray& array) {
  if (arrow_width(array.type) > 0) return {array.validity, array.values};
  return {array.validity, array.offsets, array.values};
}

ArrowBatch lay_out(const std::vector<ArrowArray>& arrays) {
  ArrowBatch batch;
  batch.rows = static_cast<int64_t>(arrays.empty() ? 0 : arrays.front().rows);
  for (const ArrowArray& array : arrays) {
    batch.counts.push_back({batch.rows, static_cast<int64_t>(array.nulls)});
    for (std::string_view bytes : buffers_of(array)) {
      auto length = static_cast<int64_t>(bytes.size());
      batch.buffers.push_back({batch.body_bytes, length});
      batch.body_bytes += (length + 63) / 64 * 64;
    }
  }
  return batch;
}

void check_arrays(const std::vector<ArrowColumn>& columns, const std::vector<ArrowArray>& arrays) {
  bool good = columns.size() == arrays.size();
  for (size_t i = 0; good && i < arrays.size(); ++i) {
    good = arrays[i].type == columns[i].type && arrays[i].rows == arrays[0].rows &&
           arrays[i].rows <= kMaxArrowRows;
  }
  if (!good) throw Error(ErrorCode::kInvalid, "columns that do not make one Arrow batch");
}

uint64_t count_valid(std::string_view bits, uint64_t rows) {
  uint64_t count = 0;
  for (uint64_t i = 0; i < rows / 8; ++i) {
    count += static_cast<uint64_t>(__builtin_popcount(static_cast<uint8_t>(bits[i])));
  }
  for (uint64_t i = rows / 8 * 8; i < rows; ++i) count += bits[i / 8] >> (i % 8) & 1;
  return count;
}

}  // namespace

std::string write_arrow(const std::vector<ArrowColumn>& columns,
                        const std::vector<ArrowArray>& arrays) {
  check_arrays(columns, arrays);
  ArrowBatch batch = lay_out(arrays);
  std::string out(kMagic);
  out.reserve(static_cast<size_t>(batch.body_bytes) + 4096 + columns.size() * 512);
  pad(out, kBegin);
  append_message(out, arrow_schema_message(columns));
  ArrowFooter footer{columns, {}};
  if (batch.rows > 0) {
    ArrowBlock block{static_cast<int64_t>(out.size()), 0, 0, batch.body_bytes};
    block.metadata_bytes = static_cast<int32_t>(append_message(out, arrow_batch_message(batch)));
    footer.blocks.push_back(block);
    for (const ArrowArray& array : arrays) {
      for (std::string_view bytes : buffers_of(array)) {
        out += bytes;
        pad(out, kAlign);
      }
    }
  }
  append_u32(out, kMark);  // the end of the messages
  append_u32(out, 0);
  std::string end = arrow_footer(footer);
  out += end;
  append_u32(out, static_cast<uint32_t>(end.size()));
  out += kMagic;
  return out;
}

ArrowFile::ArrowFile(std::string_view bytes, std::string_view place)
    : bytes_(bytes), place_(place) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % 8 != 0) refuse("it is not aligned in memory");
  if (bytes.size() < kBegin + kPrefix + kTrailer || !bytes.starts_with(kMagic) ||
      !bytes.ends_with(kMagic)) {
    refuse("it does not begin and end with ARROW1");
  }
  read_footer();
}

void ArrowFile::refuse(const std::string& why) const {
  throw Error(ErrorCode::kCorrupt, "not a sound Arrow file: " + why,
              "write it again, or restore it from the store", place_);
}

void ArrowFile::read_footer() {
  uint64_t room = bytes_.size() - kTrailer - kBegin;
  uint64_t length = load_u32(bytes_.substr(bytes_.size() - kTrailer));
  if (length > room || length > kMaxMetadata_bytes) refuse("its footer is longer than the file");
  end_ = bytes_.size() - kTrailer - length;
  ArrowFooter footer = read_arrow_footer(bytes_.substr(end_, length), place_);
  columns_ = std::move(footer.columns);
  for (const ArrowBlock& block : footer.blocks) {
    Block taken{static_cast<uint64_t>(block.offset), static_cast<uint64_t>(block.metadata_bytes),
                static_cast<uint64_t>(block.body_bytes)};
    // As unsigned numbers negative ones are too large, too.
    if (taken.offset > end_ || taken.offset % 8 != 0 ||
        taken.metadata_bytes > end_ - taken.offset || taken.metadata_bytes <= kPrefix ||
        taken.metadata_bytes > kMaxMetadata_bytes || taken.metadata_bytes % 8 != 0 ||
        taken.body_bytes > end_ - taken.offset - taken.metadata_bytes) {
      refuse("a batch lies outside the file");
    }
    blocks_.push_back(taken);
  }
}

std::vector<ArrowArray> ArrowFile::batch(size_t index) const {
  const Block& block = blocks_.at(index);
  std::string_view message = bytes_.substr(block.offset, block.metadata_bytes);
  if (load_u32(message) != kMark || load_u32(message.substr(4)) > block.metadata_bytes - kPrefix) {
    refuse("a batch does not begin with its length");
  }
  ArrowBatch batch = read_arrow_batch(message.substr(kPrefix, load_u32(message.substr(4))), place_);
  std::string_view body = bytes_.substr(block.offset + block.metadata_bytes, block.body_bytes);
  if (batch.counts.size() != columns_.size() || batch.rows < 0 || batch.rows > INT32_MAX) {
    refuse("a batch does not have the columns of the schema");
  }
  size_t next = 0;
  auto take = [&] {
    if (next == batch.buffers.size()) refuse("a batch has too few buffers");
    const ArrowBuffer& buffer = batch.buffers[next++];
    auto offset = static_cast<uint64_t>(buffer.offset),
         length = static_cast<uint64_t>(buffer.length);
    if (offset > body.size() || length > body.size() - offset || offset % 8 != 0) {
      refuse("a buffer lies outside its batch");
    }
    return body.substr(offset, length);
  };
  std::vector<ArrowArray> arrays;
  for (size_t i = 0; i < columns_.size(); ++i) {
    const ArrowCount& count = batch.counts[i];
    if (count.rows != batch.rows || count.nulls < 0 || count.nulls > batch.rows) {
      refuse("a column is not as long as its batch");
    }
    std::vector<std::string_view> buffers;
    for (int n = arrow_width(columns_[i].type) > 0 ? 2 : 3; n > 0; --n) buffers.push_back(take());
    arrays.push_back(read_array(columns_[i].type, static_cast<uint64_t>(count.rows),
                                static_cast<uint64_t>(count.nulls), buffers));
  }
  if (next != batch.buffers.size()) refuse("a batch has too many buffers");
  return arrays;
}

ArrowArray ArrowFile::read_array(ArrowType type, uint64_t rows, uint64_t nulls,
                                 const std::vector<std::string_view>& buffers) const {
  ArrowArray array{type, rows, nulls, "", buffers.back(), ""};
  if (nulls > 0) {
    array.validity = buffers[0];
    if (array.validity.size() < (rows + 7) / 8) refuse("a column's validity is too short");
    if (count_valid(array.validity, rows) != rows - nulls) {
      refuse("a column has another number of NULLs than it says");
    }
  }
  if (size_t width = arrow_width(type)) {
    if (array.values.size() < rows * width) refuse("a column's values are too short");
    array.values = array.values.substr(0, rows * width);
    return array;
  }
  if (rows == 0) {
    static constexpr char kZero[4] = {};
    array.offsets = {kZero, sizeof kZero};
    return array;
  }
  array.offsets = buffers[1];
  if (array.offsets.size() < (rows + 1) * 4) refuse("a column's offsets are too short");
  array.offsets = array.offsets.substr(0, (rows + 1) * 4);
  uint32_t before = load_u32(array.offsets);
  for (uint64_t i = 0; i <= rows; ++i) {
    uint32_t offset = load_u32(array.offsets.substr(i * 4, 4));
    if (offset < before || offset > array.values.size()) refuse("a column's offsets go astray");
    before = offset;
  }
  if (type != ArrowType::kUtf8) return array;
  for (uint64_t i = 0; i < rows; ++i) {
    if (!valid_utf8(array.bytes(i))) refuse("a text is not UTF-8");
  }
  return array;
}

}  // namespace lockstep
