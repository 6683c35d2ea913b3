// The FlatBuffers inside an Arrow file: schema, batch and footer, to and from plain structs.
// Knows nothing of values, files or where the metadata lies; arrow.h is what others include.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/formats/arrow.h"

namespace lockstep {

// Where a message lies in the file. Laid out as the format has it.
struct ArrowBlock {
  int64_t offset = 0;
  int32_t metadata_bytes = 0;  // with its 8-byte prefix and padding
  int32_t zero = 0;
  int64_t body_bytes = 0;
};

struct ArrowBuffer {
  int64_t offset = 0;  // from the beginning of the body
  int64_t length = 0;
};

struct ArrowCount {
  int64_t rows = 0;
  int64_t nulls = 0;
};

struct ArrowBatch {
  int64_t rows = 0;
  int64_t body_bytes = 0;
  std::vector<ArrowCount> counts;    // one for each column
  std::vector<ArrowBuffer> buffers;  // of each column: validity, offsets of kUtf8, values
};

struct ArrowFooter {
  std::vector<ArrowColumn> columns;
  std::vector<ArrowBlock> blocks;
};

std::string arrow_schema_message(const std::vector<ArrowColumn>& columns);
std::string arrow_batch_message(const ArrowBatch& batch);
std::string arrow_footer(const ArrowFooter& footer);

// Hostile bytes: every access is checked. Throws corrupt with `place`.
ArrowFooter read_arrow_footer(std::string_view bytes, const std::string& place);
ArrowBatch read_arrow_batch(std::string_view bytes, const std::string& place);

}  // namespace lockstep
