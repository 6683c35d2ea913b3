#include "pipeline/base/packed_json.h"

namespace lockstep {
namespace {

// The most frequent values are there once.
std::shared_ptr<const std::string> kept(std::string_view text) {
  static const auto kList = std::make_shared<const std::string>("[]");
  static const auto kObject = std::make_shared<const std::string>("{}");
  if (text == *kList) return kList;
  if (text == *kObject) return kObject;
  return std::make_shared<const std::string>(text);
}

}  // namespace

PackedJson::PackedJson(std::string_view text, int) : text_(kept(text)) {}

Json PackedJson::json() const {
  return parse_json(*text_, "a value that was kept");
}

bool PackedJson::operator==(const PackedJson& other) const {
  return text_ == other.text_ || *text_ == *other.text_ || json() == other.json();
}

void PackedJson::share(const PackedJson& other) {
  if (text_ != other.text_ && *text_ == *other.text_) text_ = other.text_;
}

}  // namespace lockstep
