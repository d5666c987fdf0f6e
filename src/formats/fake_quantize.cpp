#include "formats/fake_quantize.h"

#include <algorithm>

#include "base/error.h"
#include "formats/random_words.h"

namespace fakequant {

namespace {

void round_scalars(const BlockFormat& format, const TensorContext& context, std::span<float> values) {
  const auto& grid = std::get<FloatGrid>(format.grid);
  if (format.rounding != Rounding::sr) {
    round_to_grid(grid, format.rounding, format.overflow, values);
    return;
  }
  constexpr size_t kWords = 4096;
  uint32_t words[kWords];
  for (size_t first = 0; first < values.size(); first += kWords) {
    size_t count = std::min(kWords, values.size() - first);
    fill_random_words(context.random_key, context.first_value + first, {words, count});
    round_to_grid(grid, format.rounding, format.overflow, values.subspan(first, count), {words, count});
  }
}

}  // namespace

void fake_quantize_rows(const BlockFormat& format, int64_t row_length, const TensorContext& context,
                        std::span<float> values) {
  if (format.extent == ScaleExtent::none) {
    round_scalars(format, context, values);
    return;
  }
  if (format.extent == ScaleExtent::tensor) {
    round_with_range(format, context.range, context, values);
    return;
  }
  auto block = static_cast<size_t>(format.extent == ScaleExtent::row ? row_length : format.group_values);
  if (block == 0 || row_length % static_cast<int64_t>(block) != 0 || values.size() % block != 0) {
    throw Error("rows of {} values do not divide into blocks of {}", row_length, block);
  }
  round_blocks(format, block, context, values);
}

}  // namespace fakequant
