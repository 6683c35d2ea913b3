// A text as a sparse vector of hashed n-grams, of unit length.
// Knows nothing of models, labels or files.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace lockstep {

// What decides the vector of a text; kept inside the model file.
struct FeatureSettings {
  uint32_t buckets = 4096;               // columns; the hashing trick (Weinberger et al. 2009)
  std::vector<uint32_t> words = {1, 2};  // lengths of the runs of words that count
  std::vector<uint32_t> characters = {3, 4, 5};  // lengths of the pieces of a padded word

  bool operator==(const FeatureSettings& other) const {
    return buckets == other.buckets && words == other.words && characters == other.characters;
  }
};

// Rows in compressed form: row i has the entries [starts[i], starts[i + 1]), columns ascending.
struct SparseRows {
  std::vector<uint64_t> starts = {0};
  std::vector<uint32_t> columns;
  std::vector<float> values;

  uint64_t size() const { return starts.size() - 1; }
};

// Appends the row of `text`. Words are runs of ASCII letters, digits, apostrophes and any byte
// above 0x7f; ASCII letters count as lower case. A text without words gives an empty row.
void add_text(const FeatureSettings& settings, std::string_view text, SparseRows& rows);

}  // namespace lockstep
