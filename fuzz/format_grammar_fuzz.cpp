// The format grammar on any text: a format whose name parses to itself, or an Error with printable text.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "formats/catalog.h"
#include "formats/format_grammar.h"

namespace {

using namespace fakequant;

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    Format format = parse_format(text);
    Format again = parse_format(format.name);
    require(again == format);
    require(again.name == format.name);
    entry_of(format);
    for (int64_t row_length : {0, 1, 7, 32, 255, 256, 4096, 1'000'003}) {
      bool fits = misfit(format, row_length).empty();
      BitsPerWeight bits = stored_bits(format, row_length, row_length * 3);
      require(bits.weights == static_cast<uint64_t>(row_length) * 3);
      // Every format stores something for each block of values.
      require(!fits || row_length == 0 || bits.bits > 0);
    }
  } catch (const Error& error) {
    std::string message = error.what();
    require(!message.empty() && message == printable(message));
  }
  return 0;
}
