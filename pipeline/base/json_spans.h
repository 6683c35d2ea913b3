// JSON read as pieces of its text: what an object consists of, without building a document.
// Knows nothing of what the pieces mean, nor how a document is built: pipeline/base/json.h does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// Both as written: the name with its quotes. Views into the text.
struct JsonMember {
  std::string_view name, value;
};

// The members of the one object that the text is, in their order; of a name given twice the last
// one counts. All of the text is checked, as deep as it goes, as parse_json() would (RFC 8259; a
// byte order mark is refused). Throws invalid, saying at which byte.
std::vector<JsonMember> json_members(std::string_view text);

// Of a value that was checked: the text it stands for; nothing where it is no text.
std::optional<std::string> json_text(std::string_view value);
// The number; nothing where it is none, has a fraction or an exponent, or is beyond 64 bits.
std::optional<int64_t> json_integer(std::string_view value);

}  // namespace lockstep
