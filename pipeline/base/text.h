// Text from outside made fit to be shown or put into an address.
// Knows nothing of where it came from.
#pragma once

#include <string>
#include <string_view>

namespace lockstep {

// Safe to print: control characters, and bytes that are not UTF-8, as '?'; at most `max_bytes`,
// then "…".
std::string printable(std::string_view text, size_t max_bytes = 200);

// RFC 4648 section 4, with padding.
std::string base64(std::string_view bytes);

// RFC 3986: every byte but the unreserved ones (section 2.3) as %XX.
std::string percent_encode(std::string_view text);

}  // namespace lockstep
