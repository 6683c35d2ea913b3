// Which rows of two versions of one CSV file may differ, told from their bytes without reading
// cells. Knows nothing of types or keys.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace lockstep {

// Consecutive rows of a file as they are written.
struct CsvPart {
  std::string_view text;
  uint64_t line = 1;  // where the first of them begins
};

struct CsvDelta {
  std::vector<CsvPart> before, after;
};

// Leaves out rows that are byte for byte in both, in the same order; what is left may still hold
// equal rows. Both texts begin after equal headers, at `line`. Rows inserted, removed and changed
// in runs of up to a few dozen are told exactly; longer runs cost more rows, never a wrong result.
// Text that is not CSV yields parts that are not either.
CsvDelta csv_delta(std::string_view before, std::string_view after, uint64_t line);

// The first row of `text` with its line end, quotes respected, and the line ends inside it.
struct RawRow {
  std::string_view text;
  uint64_t line_ends = 0;
};
RawRow first_row(std::string_view text);

}  // namespace lockstep
