// Rounding twice: which formats give the same bits as once, and that repetition_note says so of the others
// only.

#include <gtest/gtest.h>

#include <algorithm>

#include "formats/codes.h"
#include "formats/fake_quantize.h"
#include "formats/testing.h"

namespace fakequant {
namespace {

using namespace formats_testing;

constexpr size_t kRow = 64;

// What the largest magnitude is divided by to give the scale; asymmetric rows here have no value below zero.
float divisor_of(const BlockFormat& format) {
  if (const auto* grid = std::get_if<FloatGrid>(&format.grid)) return static_cast<float>(grid->max_value());
  if (std::holds_alternative<LevelGrid>(format.grid)) return 1;
  const auto& integers = std::get<IntegerGrid>(format.grid);
  auto codes = static_cast<float>(1 << integers.bits);
  if (integers.scheme == IntegerScheme::asym) return codes - 1;
  return integers.scheme == IntegerScheme::full ? (codes - 1) / 2 : codes / 2 - 1;
}

bool is_asymmetric(const BlockFormat& format) {
  const auto* integers = std::get_if<IntegerGrid>(&format.grid);
  return integers != nullptr && integers->scheme == IntegerScheme::asym;
}

// Rows whose scale lies next to a tie between the smallest numbers of the scale's type, where it is coarse.
void add_coarse_scales(const BlockFormat& format, std::vector<float>& values) {
  if (format.scale_type == ScaleType::e8m0 || format.scale_type == ScaleType::e4m3_tensor) return;
  const double divisor = divisor_of(format);
  const double unit = format.scale_type == ScaleType::f16    ? 0x1p-24
                      : format.scale_type == ScaleType::bf16 ? 0x1p-133
                                                             : 0x1p-149;
  std::mt19937 random(2);
  std::uniform_real_distribution<double> uniform(-0.5, 0.5);
  for (int k = 1; k <= 24; ++k) {
    for (int beyond = 0; beyond < 6; ++beyond) {
      double tie = divisor * (k - 0.5) * unit;
      // Beyond the tie by F32's own steps there, or by a part of the scale.
      double amax =
          tie + (beyond < 4 ? beyond * std::max(tie * 0x1p-23, 0x1p-149) : std::abs(uniform(random)) * unit);
      for (size_t i = 0; i < kRow; ++i) {
        double value = i == 0 ? amax : amax * uniform(random);
        values.push_back(static_cast<float>(is_asymmetric(format) ? std::abs(value)
                                            : k % 2 == 0          ? value
                                                                  : -value));
      }
    }
  }
}

// Whether a second rounding changes a row, each row a tensor of its own. Stochastic rounding draws anew.
bool changes(const BlockFormat& format, const std::vector<float>& values) {
  for (size_t first = 0; first < values.size(); first += kRow) {
    std::vector<float> row(&values[first], &values[first] + kRow);
    std::vector<float> once = restored(format, kRow, row, first);
    if (!same_values(restored(format, kRow, once, first + 1), once)) return true;
  }
  return false;
}

TEST(RepetitionNote, IsEmptyExactlyWhereTwiceIsOnce) {
  const std::vector<float> wild = wild_blocks(kRow, 512, 1);
  for (const std::string& name : every_own_format()) {
    const Format format = parse_format(name);
    const auto& block = std::get<BlockFormat>(format.kind);
    std::vector<float> values = wild;
    add_coarse_scales(block, values);
    // With codes to 3 and ties away even coarse scales come back; the note warns all the same.
    bool needless = name.starts_with("int3:") && name.ends_with(":restricted:rna");
    EXPECT_EQ(changes(block, values), !needless && !repetition_note(format).empty()) << name;
  }
}

// Values far from the ends of F32 and of every scale's type.
TEST(RepetitionNote, WhereItSaysThatAllOthersStayTheyDo) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> values(128 * kRow);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = std::ldexp(normal(random), static_cast<int>(i / kRow) % 100 - 50);
  size_t formats = 0;
  for (const std::string& name : every_own_format()) {
    const Format format = parse_format(name);
    if (!repetition_note(format).ends_with("all others stay")) continue;
    EXPECT_FALSE(changes(std::get<BlockFormat>(format.kind), values)) << name;
    ++formats;
  }
  EXPECT_GT(formats, 100u);
}

TEST(RepetitionNote, OfGgmlTypesSaysThatTheirSearchesStartAnew) {
  EXPECT_NE(repetition_note(parse_format("q4_k")), "");
}

}  // namespace
}  // namespace fakequant
