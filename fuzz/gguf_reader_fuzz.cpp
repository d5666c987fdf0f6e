// The GGUF reader on any bytes: a clean Error, or a file of which every value and every planned copy can be
// looked at. The bytes are those libFuzzer allocated, so AddressSanitizer sees a read of one byte too many.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.h"
#include "gguf/reader.h"
#include "gguf/testing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fakequant;
  try {
    gguf_testing::walk(GgufFile::parse(MappedFile::over("fuzz.gguf", std::as_bytes(std::span(data, size)))));
  } catch (const Error&) {
  }
  return 0;
}
