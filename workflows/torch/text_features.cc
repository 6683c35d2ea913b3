#include "workflows/torch/text_features.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace lockstep {
namespace {

// FNV-1a (Fowler, Noll, Vo), then the finaliser of MurmurHash3 so that the low bits are even.
uint64_t hash_piece(uint64_t kind, std::string_view piece) {
  uint64_t hash = (0xcbf29ce484222325u ^ kind) * 0x100000001b3u;
  for (char c : piece) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
  return hash ^ (hash >> 33);
}

// The words joined by single spaces, with one at each end: " turn it off ".
std::string normal_form(std::string_view text) {
  std::string out = " ";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    bool letter = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '\'' ||
                  byte >= 0x80;
    if (byte >= 'A' && byte <= 'Z') {
      out += static_cast<char>(byte - 'A' + 'a');
    } else if (letter) {
      out += c;
    } else if (out.back() != ' ') {
      out += ' ';
    }
  }
  if (out.back() != ' ') out += ' ';
  return out;
}

class Collector {
 public:
  Collector(const FeatureSettings& settings, std::string_view text)
      : settings_(settings), text_(normal_form(text)) {
    for (size_t i = 0; i < text_.size(); ++i) {
      if (text_[i] == ' ') spaces_.push_back(i);
    }
    collect_words();
    collect_characters();
    std::sort(buckets_.begin(), buckets_.end());
  }

  const std::vector<uint32_t>& buckets() const { return buckets_; }

 private:
  void add(uint64_t kind, size_t begin, size_t end) {
    std::string_view piece = std::string_view(text_).substr(begin, end - begin);
    buckets_.push_back(static_cast<uint32_t>(hash_piece(kind, piece) % settings_.buckets));
  }

  void collect_words() {
    for (uint32_t length : settings_.words) {
      for (size_t i = 0; i + length < spaces_.size(); ++i) {
        add(1, spaces_[i] + 1, spaces_[i + length]);
      }
    }
  }

  // Pieces of one word with the space at each side, so that beginnings and ends count apart.
  void collect_characters() {
    for (size_t i = 0; i + 1 < spaces_.size(); ++i) {
      for (uint32_t length : settings_.characters) {
        for (size_t at = spaces_[i]; at + length <= spaces_[i + 1] + 1; ++at) {
          add(2, at, at + length);
        }
      }
    }
  }

  const FeatureSettings& settings_;
  std::string text_;
  std::vector<size_t> spaces_;
  std::vector<uint32_t> buckets_;
};

}  // namespace

void add_text(const FeatureSettings& settings, std::string_view text, SparseRows& rows) {
  Collector collector(settings, text);
  double squares = 0;
  size_t begin = rows.columns.size();
  const std::vector<uint32_t>& buckets = collector.buckets();
  for (size_t i = 0; i < buckets.size();) {
    size_t end = i;
    while (end < buckets.size() && buckets[end] == buckets[i]) ++end;
    double count = std::sqrt(static_cast<double>(end - i));
    squares += count * count;
    rows.columns.push_back(buckets[i]);
    rows.values.push_back(static_cast<float>(count));
    i = end;
  }
  auto scale = static_cast<float>(1 / std::sqrt(std::max(squares, 1.0)));
  for (size_t i = begin; i < rows.values.size(); ++i) rows.values[i] *= scale;
  rows.starts.push_back(rows.columns.size());
}

}  // namespace lockstep
