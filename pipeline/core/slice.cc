#include "pipeline/core/slice.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "pipeline/base/error.h"

namespace lockstep {
namespace {

constexpr std::string_view kDomain = "lockstep.slice.1";
constexpr size_t kLanes = 1024;
constexpr size_t kLaneBytes = 2 * kLanes;
using Lanes = std::array<uint16_t, kLanes>;

void put_u32(std::string& out, size_t value) {
  if (value > std::numeric_limits<uint32_t>::max()) {
    throw Error(ErrorCode::kInvalid, "a cell or column name is larger than 4 GiB");
  }
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift & 0xff);
}

void put_u64(std::string& out, uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(value >> shift & 0xff);
}

// Little-endian on every machine; on most of them that is the memory as it is.
void to_lanes(const char* bytes, Lanes& lanes) {
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(lanes.data(), bytes, kLaneBytes);
  } else {
    for (size_t i = 0; i < kLanes; ++i) {
      auto low = static_cast<uint8_t>(bytes[2 * i]);
      auto high = static_cast<uint8_t>(bytes[2 * i + 1]);
      lanes[i] = static_cast<uint16_t>(low | high << 8);
    }
  }
}

Lanes row_lanes(std::string_view row) {
  std::array<uint8_t, kLaneBytes> stream;
  chacha20_stream(sha256(row), stream);
  Lanes lanes;
  to_lanes(reinterpret_cast<const char*>(stream.data()), lanes);
  return lanes;
}

}  // namespace

std::vector<std::string> digest_columns(const std::vector<std::string>& read,
                                        const std::vector<std::string>& key,
                                        const std::vector<std::string>& holdout_key) {
  std::vector<std::string> all = read;
  all.insert(all.end(), key.begin(), key.end());
  all.insert(all.end(), holdout_key.begin(), holdout_key.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::string row_bytes(const std::vector<std::string>& columns, const Row& row,
                      uint64_t multiplicity) {
  if (columns.size() != row.size()) {
    throw Error(ErrorCode::kInvalid, "a row has " + std::to_string(row.size()) + " values for " +
                                         std::to_string(columns.size()) + " columns");
  }
  std::string out;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (i > 0 && columns[i - 1] >= columns[i]) {
      throw Error(ErrorCode::kInvalid, "digest columns are not sorted, or twice the same: " +
                                           columns[i - 1] + ", " + columns[i]);
    }
    put_u32(out, columns[i].size());
    out += columns[i];
    out += static_cast<char>(row[i].tag);
    put_u32(out, row[i].payload.size());
    out += row[i].payload;
  }
  if (multiplicity > 0) put_u64(out, multiplicity);
  return out;
}

void SliceState::add(std::string_view row) {
  Lanes lanes = row_lanes(row);
  for (size_t i = 0; i < kLanes; ++i) lanes_[i] = static_cast<uint16_t>(lanes_[i] + lanes[i]);
  ++rows_;
}

void SliceState::remove(std::string_view row) {
  if (rows_ == 0) {
    throw Error(ErrorCode::kCorrupt, "a row is removed from an empty slice",
                "the difference does not start at this slice; recompute it from scratch");
  }
  Lanes lanes = row_lanes(row);
  for (size_t i = 0; i < kLanes; ++i) lanes_[i] = static_cast<uint16_t>(lanes_[i] - lanes[i]);
  --rows_;
}

Digest SliceState::digest() const {
  return sha256(std::string(kDomain) + serialize());
}

std::string SliceState::serialize() const {
  std::string out;
  out.reserve(8 + kLaneBytes);
  put_u64(out, rows_);
  for (uint16_t lane : lanes_) {
    out += static_cast<char>(lane & 0xff);
    out += static_cast<char>(lane >> 8);
  }
  return out;
}

SliceState SliceState::parse(std::string_view bytes) {
  if (bytes.size() != 8 + kLaneBytes) {
    throw Error(ErrorCode::kCorrupt, "a slice state has " + std::to_string(bytes.size()) +
                                         " bytes instead of " + std::to_string(8 + kLaneBytes));
  }
  SliceState state;
  for (int i = 7; i >= 0; --i) state.rows_ = state.rows_ << 8 | static_cast<uint8_t>(bytes[i]);
  to_lanes(bytes.data() + 8, state.lanes_);
  return state;
}

double holdout_position(const std::string& salt, std::string_view key_row_bytes) {
  Digest digest = sha256(salt + std::string(key_row_bytes));
  uint64_t first = 0;
  for (int i = 0; i < 8; ++i) first = first << 8 | digest.bytes[i];
  return static_cast<double>(first) / 18446744073709551616.0;  // 2^64
}

}  // namespace lockstep
