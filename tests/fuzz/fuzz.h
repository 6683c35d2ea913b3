// What the fuzz targets share: a claim that ends the process, and the one exception that may leave.
// Knows nothing of what is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "pipeline/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace lockstep::fuzz {

// A fuzzer keeps the input that made a process abort.
inline void claim(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// True when `read` came to its end, false when it threw an Error with a message. Anything else that
// it throws ends the process.
template <class Read>
bool reads(Read read) {
  try {
    read();
    return true;
  } catch (const Error& error) {
    claim(!error.message.empty(), "an error says what is wrong");
    return false;
  }
}

// The first line, which a target reads as what is asked for; `rest` is what follows it.
inline std::string_view first_line(std::string_view text, std::string_view* rest) {
  const size_t end = text.find('\n');
  *rest = end == text.npos ? std::string_view() : text.substr(end + 1);
  return text.substr(0, end);
}

}  // namespace lockstep::fuzz
