// Slice digests: order-independent, updated from a row diff, equal to from-scratch.
// LtHash (Bellare–Micciancio; Lewi, Kim, Maykov, Weis 2019, eprint 2019/227): 1,024 lanes of 16
// bits, addition mod 2^16. Knows nothing of where rows come from.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/digest.h"
#include "pipeline/core/value.h"
#include "pipeline/core/workflow.h"

namespace lockstep {

// Which columns enter the digest: those read, the table's key and the holdout's key, sorted by
// name bytes, each once.
std::vector<std::string> digest_columns(const std::vector<std::string>& read,
                                        const std::vector<std::string>& key,
                                        const std::vector<std::string>& holdout_key);

// The bytes of a row whose values are in the order of `columns` (sorted by name bytes).
// `multiplicity` > 0 only for keyless tables: appended as u64 LE.
std::string row_bytes(const std::vector<std::string>& columns, const Row& row,
                      uint64_t multiplicity = 0);

// What a slice's state adds up to.
struct SliceSummary {
  Digest digest;
  uint64_t rows = 0;
  bool operator==(const SliceSummary&) const = default;
};

class SliceState {
 public:
  void add(std::string_view row_bytes);
  void remove(std::string_view row_bytes);
  uint64_t rows() const { return rows_; }
  Digest digest() const;
  SliceSummary summary() const { return {digest(), rows_}; }
  bool operator==(const SliceState&) const = default;

  // 8 bytes row count LE, then 2,048 bytes of lanes LE. parse throws corrupt.
  std::string serialize() const;
  static SliceState parse(std::string_view bytes);

 private:
  uint64_t rows_ = 0;
  std::array<uint16_t, 1024> lanes_{};
};

// First 8 bytes of SHA-256(salt ‖ row bytes of the key columns) as a fraction of 2^64.
double holdout_position(const std::string& salt, std::string_view key_row_bytes);

}  // namespace lockstep
