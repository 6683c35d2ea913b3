// JSON as the house writes it: one canonical form for everything that is hashed.
// Knows nothing of what the documents mean.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace lockstep {

using Json = nlohmann::json;

// Keys sorted by bytes, no spaces, raw UTF-8, numbers as RFC 8785 section 3.2.2.3 prints them
// (so 1.0 and 1 are one number); 64-bit integers are printed exactly. Throws invalid on NaN,
// infinities and text that is not UTF-8.
std::string canonical_json(const Json& value);
// The same of a text.
std::string canonical_text(const std::string& text);

// RFC 8785 in full: as above, but keys sorted by UTF-16 code units and integers as doubles.
std::string rfc8785_json(const Json& value);

// Parses strictly; throws invalid with `what` ("metrics.json of train") in the message.
Json parse_json(std::string_view text, std::string_view what);

bool valid_utf8(std::string_view text);
// `text` with every byte that is not part of valid UTF-8 replaced by U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

}  // namespace lockstep
