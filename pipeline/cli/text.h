// How numbers, times, ids and texts from outside are written for people.
// Knows nothing of documents or commands.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

// Text from outside made safe for a terminal: control characters, direction marks and bytes that
// are not UTF-8 become visible escapes, so that no row or name can move the cursor.
std::string clean(std::string_view text);
// A program's log: as clean(), but line feeds, tabs and colour sequences (ESC [ … m) stay.
std::string clean_log(std::string_view text);

// Columns it takes on a terminal; our own colour sequences take none, wide characters two.
size_t width(std::string_view text);
std::string pad(std::string_view text, size_t columns);
std::string pad_left(std::string_view text, size_t columns);
// At most `columns` wide, with "…" where something was cut. Only for text without colours.
std::string cut(std::string_view text, size_t columns);

std::string thousands(int64_t value);                     // "1,920"
std::string plural(int64_t count, std::string_view one);  // "1 row", "1,920 rows", "2 entries"
std::string duration(double seconds);        // "40 ms", "2.1 s", "48 s", "3 min 20 s", "2 h 5 min"
std::string bytes_text(uint64_t count);      // "12 B", "1.5 MiB"
std::string short_id(std::string_view id);   // 7 of a commit, 12 of a digest, else as it is
std::string when(std::string_view rfc3339);  // "2026-03-03 14:00:07"
std::string decimal(double value);           // "0.934": at most four digits that matter
// As a word of a shell line: quoted only where it must be.
std::string shell_word(std::string_view text);
std::string join(const std::vector<std::string>& parts, std::string_view between);

// "trunk, intent-client-1 … 8": numbered names of one stem are drawn together, three or more in a
// row as a range ("train[client=client-1 … 3, 5]"). Groups keep the order of their first member.
// With `columns`, what does not fit is counted: "…, and 12 more".
std::string compress_names(const std::vector<std::string>& names, size_t columns = 0);

}  // namespace lockstep
