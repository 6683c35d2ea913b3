// The one source of chance in training and gates: SplitMix64 (Steele, Lea, Flood 2014), equal
// everywhere. Knows nothing of torch's or the C++ library's, which differ between versions.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace lockstep {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  // In [0, 1), all 24 bits of a float's fraction.
  float uniform() { return static_cast<float>(next() >> 40) * 0x1p-24f; }

  // Below `bound`, which is at most 2^32 (the bias of the multiply-shift is below 2^-32).
  uint64_t below(uint64_t bound) { return (next() >> 32) * bound >> 32; }

  void shuffle(std::vector<uint32_t>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  uint64_t state_;
};

}  // namespace lockstep
