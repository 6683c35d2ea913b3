// Text from outside made fit to be shown or put into an address.
// Knows nothing of where it came from.
#pragma once

#include <string>
#include <string_view>

namespace lockstep {

// Safe to print: control characters, and bytes that are not UTF-8, as '?'; at most `max_bytes`,
// then "…".
std::string printable(std::string_view text, size_t max_bytes = 200);

// Text of somebody else's inside a line of Markdown, or a table's cell (CommonMark 0.31, GFM 0.29,
// and what GitHub and GitLab make of it): no markup, no HTML, no link, no mention, no line of its
// own, no change of direction. Cut as printable() does.
std::string markdown_text(std::string_view text, size_t max_bytes = 200);

// RFC 4648 section 4, with padding.
std::string base64(std::string_view bytes);

// RFC 3986: every byte but the unreserved ones (section 2.3) as %XX.
std::string percent_encode(std::string_view text);

}  // namespace lockstep
