// A delivery's body: decoded from JSON or a form, strictly and within limits, and read by name.
// Knows nothing of signatures or of what the fields mean.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/json.h"

namespace lockstep {

enum class HookEncoding { kJson, kForm };

// Reads a Content-Type: application/json or application/x-www-form-urlencoded, in UTF-8. Throws
// invalid.
HookEncoding hook_encoding(std::string_view content_type);

// The value of the one field of `payload=…` (URL Standard, section 5.1). Strict: every byte but
// letters, digits and -._~*+ is escaped, every escape is whole, nothing else is there. Throws
// invalid.
std::string form_payload(std::string_view body);

// An object, of at most 32 levels and 1,000,000 values, without a key twice in any object. Throws
// invalid; the message says where, and shows nothing of the text.
Json hook_json(std::string_view text);

// An object inside a body. All throw invalid, naming the field, where it is not of its kind.
class HookFields {
 public:
  HookFields(const Json& object, std::string path = "");

  bool has(const char* name) const;  // there and not null
  HookFields in(const char* name) const;
  std::optional<HookFields> maybe(const char* name) const;
  std::vector<HookFields> list(const char* name) const;  // at most 1,000 objects; empty if absent

  std::string text(const char* name) const;           // not empty, no control characters
  std::string text_or_empty(const char* name) const;  // absent, null: empty
  std::string url_or_empty(const char* name) const;   // of a repository; absent, null: empty
  bool flag(const char* name) const;                  // absent, null: false
  int64_t number(const char* name) const;             // an integer

  std::string commit(const char* name) const;    // a commit id; empty: absent, null or all zeros
  std::string ref_name(const char* name) const;  // below refs/heads/ or refs/tags/, required
  std::string ref_name_or_empty(const char* name) const;

  // Throws invalid when there is any other key.
  void only(std::initializer_list<std::string_view> known) const;
  void must_have(const char* name) const;     // throws invalid if absent; null will do
  const Json& value(const char* name) const;  // throws invalid if absent
  const std::string& path() const { return path_; }

 private:
  std::string name_of(const char* name) const;
  std::string bounded(const char* name, size_t limit) const;

  const Json* object_;
  std::string path_;  // "repository.owner", of our own words
};

}  // namespace lockstep
