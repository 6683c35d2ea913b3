// Names of models, steps, sources, workflows and channels, and how values from data become names.
// Knows nothing of who uses a name.
#pragma once

#include <string>
#include <string_view>

namespace lockstep {

// [A-Za-z0-9~][A-Za-z0-9._~-]{0,127}
bool valid_name(std::string_view name);
// As above, and not 32 hex digits alone or followed by '-' and 8 more (those are release tags),
// and not `champion` (the alias that gates move; a channel's alias has the channel's name).
bool valid_channel_name(std::string_view name);

// A value from data as a part of a name: bytes outside [A-Za-z0-9._-], and a '.', '_' or '-' that
// would begin the name (`first`), become '~' and two lower-case hex digits.
std::string encode_value(std::string_view value, bool first);

// A name over 128 bytes becomes its first 119, '-', and the first 8 hex digits of the SHA-256 of
// the whole.
std::string bounded_name(std::string encoded);

// Shell-like match with '*' only; case-sensitive.
bool matches(std::string_view pattern, std::string_view name);

}  // namespace lockstep
