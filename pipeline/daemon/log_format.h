// The daemon's log as lines: text for people, or one JSON object each with the keys `time`,
// `level`, `message`. Whatever is logged stays one line without control bytes, and secrets become
// `***`. Knows nothing of who logs.
#pragma once

#include <string>

namespace lockstep {

// From here on this value is `***` in every line; short ones (below 4 bytes) and the empty one are
// not, or lines could not be read. Safe from several threads.
void mask_in_logs(const std::string& value);
// "text" or "json", on stderr. Throws invalid for other words.
void log_as(const std::string& format);

}  // namespace lockstep
