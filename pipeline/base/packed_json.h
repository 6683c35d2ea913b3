// A JSON value kept as its text, for what is there in great number and seldom looked into: it needs
// a tenth of the memory that a Json of many small parts does, and copies share it.
// Knows nothing of what the value means. A value may be copied in any thread.
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/base/json.h"

namespace lockstep {

class PackedJson {
 public:
  // Canonical text of it; throws invalid as canonical_json() does. No braces: what they would mean
  // is not what they mean for a Json.
  template <std::same_as<Json> T>
  PackedJson(const T& value) : PackedJson(canonical_json(value), 0) {}
  static PackedJson list() { return {"[]", 0}; }
  static PackedJson object() { return {"{}", 0}; }
  // `text` is known to be JSON, and kept as it is.
  static PackedJson of_text(std::string_view text) { return {text, 0}; }

  const std::string& text() const { return *text_; }
  Json json() const;
  // The same value, however it is written.
  bool operator==(const PackedJson& other) const;
  // Where the text is the same it is from now on the other's.
  void share(const PackedJson& other);

 private:
  PackedJson(std::string_view text, int);

  std::shared_ptr<const std::string> text_;
};

}  // namespace lockstep
