#include "pipeline/cli/document.h"

#include "pipeline/cli/text.h"

namespace lockstep {

Doc Doc::part(const char* name) const {
  static const Json kNull;
  if (!json_->is_object()) return kNull;
  auto it = json_->find(name);
  return it == json_->end() ? kNull : *it;
}

bool Doc::has(const char* name) const {
  Doc value = part(name);
  if (value.is_text()) return !value.json().get_ref<const std::string&>().empty();
  return !value.json().empty();
}

std::string Doc::text() const {
  if (is_text()) return clean(json_->get_ref<const std::string&>());
  if (json_->is_number_float()) return decimal(json_->get<double>());
  if (json_->is_null()) return "";
  return clean(json_->dump(-1, ' ', false, Json::error_handler_t::replace));
}

int64_t Doc::number(const char* name, int64_t absent) const {
  const Json& value = part(name).json();
  return value.is_number_integer() ? value.get<int64_t>() : absent;
}

double Doc::real(const char* name, double absent) const {
  const Json& value = part(name).json();
  return value.is_number() ? value.get<double>() : absent;
}

bool Doc::flag(const char* name) const {
  const Json& value = part(name).json();
  return value.is_boolean() && value.get<bool>();
}

std::vector<Doc> Doc::list() const {
  std::vector<Doc> out;
  if (json_->is_array()) out.assign(json_->begin(), json_->end());
  return out;
}

std::vector<std::pair<std::string, Doc>> Doc::fields() const {
  std::vector<std::pair<std::string, Doc>> out;
  if (!json_->is_object()) return out;
  for (auto it = json_->begin(); it != json_->end(); ++it) out.emplace_back(clean(it.key()), *it);
  return out;
}

std::vector<std::string> Doc::texts() const {
  std::vector<std::string> out;
  for (Doc one : list()) out.push_back(one.text());
  if (is_text() && !text().empty()) out.push_back(text());
  return out;
}

}  // namespace lockstep
