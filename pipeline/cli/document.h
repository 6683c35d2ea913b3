// A view of a JSON document that may lack any field: what is absent, null or of another type reads
// as empty. Texts come out safe for a terminal. Knows nothing of what the fields mean.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "pipeline/base/json.h"

namespace lockstep {

// Does not own: the document must live longer.
class Doc {
 public:
  Doc(const Json& json) : json_(&json) {}
  Doc(Json&&) = delete;

  const Json& json() const { return *json_; }
  Doc part(const char* name) const;  // null where absent
  bool has(const char* name) const;  // there, not null and not empty
  std::string text() const;          // this value; numbers as they are written
  std::string text(const char* name) const { return part(name).text(); }
  int64_t number(const char* name, int64_t absent = 0) const;
  double real(const char* name, double absent = 0) const;
  bool flag(const char* name) const;
  bool is_text() const { return json_->is_string(); }

  std::vector<Doc> list() const;  // items of an array, else none
  std::vector<Doc> list(const char* name) const { return part(name).list(); }
  std::vector<std::pair<std::string, Doc>> fields() const;  // of an object, else none
  std::vector<std::pair<std::string, Doc>> fields(const char* name) const {
    return part(name).fields();
  }
  std::vector<std::string> texts() const;  // items of an array, or the one text
  std::vector<std::string> texts(const char* name) const { return part(name).texts(); }

 private:
  const Json* json_;
};

}  // namespace lockstep
