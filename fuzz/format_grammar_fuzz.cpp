// The format grammar on any text: a format whose name parses to itself and that rounds any values, or an Error with
// printable text. Values are what follows the first zero byte.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "formats/catalog.h"
#include "formats/codes.h"
#include "formats/fake_quantize.h"
#include "formats/format_grammar.h"

namespace {

using namespace fakequant;

void require(bool condition) {
  if (!condition) std::abort();
}

// Rounds one row of the values that `bytes` hold, and once more: what is promised of every format of our own.
void round_row(const Format& format, std::string_view bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  const auto* block = std::get_if<BlockFormat>(&format.kind);
  auto row_length = static_cast<int64_t>(values.size());
  if (values.empty()) return;
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  if (block == nullptr || !misfit(format, row_length).empty()) return;
  if (code_bits(block->grid) <= 8) require(!codes_of(*block).empty());
  TensorContext context{.range = scale_range(values), .random_key = 1, .first_value = 0};
  std::vector<float> once = values;
  fake_quantize_rows(*block, row_length, context, once);
  for (size_t i = 0; i < values.size(); ++i) require(!std::isnan(values[i]) || std::isnan(once[i]));
  context.range = scale_range(once);
  std::vector<float> twice = once;
  fake_quantize_rows(*block, row_length, context, twice);
  if (!repetition_note(format).empty()) return;
  for (size_t i = 0; i < values.size(); ++i) require(twice[i] == once[i] || std::isnan(once[i]));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view all(reinterpret_cast<const char*>(data), size);
  std::string_view text = all.substr(0, all.find('\0'));
  try {
    Format format = parse_format(text);
    Format again = parse_format(format.name);
    require(again == format);
    require(again.name == format.name);
    entry_of(format);
    if (text.size() < all.size()) round_row(format, all.substr(text.size() + 1));
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
