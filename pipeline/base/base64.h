// Base64 read back into bytes; text.h writes it. Knows nothing of what the bytes are.
#pragma once

#include <string>
#include <string_view>

namespace lockstep {

// The bytes of RFC 4648 text (section 4). Strict, so that equal bytes have one spelling: padded, no
// line ends, no bits left over. Throws invalid.
std::string base64_bytes(std::string_view text);

}  // namespace lockstep
