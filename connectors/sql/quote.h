// Names and values written into SQL so that none of them can be read as anything else.
// Knows nothing of connections; what it writes is right in the sessions that SqlConnection opens.
#pragma once

#include <string>
#include <string_view>

#include "pipeline/core/value.h"

namespace lockstep {

// `name` in backticks. Throws invalid for an empty name and for a NUL in it.
std::string quote_name(std::string_view name);

// 'text', with quotes, backslashes and control characters escaped. UTF-8.
std::string quote_text(std::string_view text);

// X'00ff'
std::string quote_bytes(std::string_view bytes);

// A value as SQL reads it into a column of its own type: 42, 1.5, 'text', X'00', '2026-03-03',
// NULL.
std::string quote_value(const Value& value);

}  // namespace lockstep
