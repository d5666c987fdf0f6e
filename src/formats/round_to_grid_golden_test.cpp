// Scalar formats against what libraries give: tests/golden/README.md says who computed which column.

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "formats/round_to_grid.h"
#include "formats/testing.h"

namespace fakequant {
namespace {

using namespace formats_testing;

struct GoldenScalar {
  const char* file;
  const char* format;
  const char* overflows;  // the parameter under which overflow leaves the finite values, "" where it cannot
};

const GoldenScalar kGoldenScalars[] = {
    {"scalar_bf16.u32x5", "bf16", ":inf"},
    {"scalar_f16.u32x5", "f16", ":inf"},
    {"scalar_tf32.u32x5", "tf32", ":inf"},
    {"scalar_fp8_e4m3fn.u32x5", "e4m3", ":inf"},
    {"scalar_fp8_e5m2.u32x5", "e5m2", ":inf"},
    {"scalar_fp8_e4m3fnuz.u32x5", "e4m3fnuz", ":inf"},
    {"scalar_fp6_e3m2.u32x5", "e3m2", ""},
    {"scalar_fp6_e2m3.u32x5", "e2m3", ""},
    {"scalar_fp4_e2m1.u32x5", "e2m1", ""},
    {"generic_finite_e2m2.u32x5", "e2m2:finite", ""},
    {"generic_finite_e3m1.u32x5", "e3m1:finite", ""},
    {"generic_finite_e3m3.u32x5", "e3m3:finite", ""},
    {"generic_finite_e3m4.u32x5", "e3m4:finite", ""},
    {"generic_finite_e4m2.u32x5", "e4m2:finite", ""},
    {"generic_finite_e4m3.u32x5", "e4m3:finite", ""},
    {"generic_finite_e5m1.u32x5", "e5m1:finite", ""},
    {"generic_ieee_e4m3.u32x5", "e4m3:ieee", ":inf"},
    {"generic_ieee_e8m3.u32x5", "e8m3:ieee", ":inf"},
    {"generic_ieee_e8m15.u32x5", "e8m15:ieee", ":inf"},
};

class GoldenScalars : public testing::TestWithParam<GoldenScalar> {};

// Signs of zeros included.
TEST_P(GoldenScalars, EveryColumnIsBitEqual) {
  const auto& [file, name, overflows] = GetParam();
  std::vector<uint32_t> rows = read_golden<uint32_t>(file);
  ASSERT_EQ(rows.size() % 5, 0u);
  const std::string columns[] = {fmt::format(":rne{}", overflows), ":rne:sat",
                                 fmt::format(":rtz{}", overflows), fmt::format(":rna{}", overflows)};
  for (size_t column = 0; column < 4; ++column) {
    std::vector<float> values(rows.size() / 5);
    for (size_t i = 0; i < values.size(); ++i) values[i] = from_bits(rows[5 * i]);
    std::vector<float> found = restored(name + columns[column], 1, values);
    for (size_t i = 0; i < values.size(); ++i) {
      float wanted = from_bits(rows[5 * i + 1 + column]);
      ASSERT_TRUE(same(found[i], wanted)) << name << columns[column] << " of " << in_hex(values[i])
                                          << " found " << in_hex(found[i]) << " wanted " << in_hex(wanted);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllFiles, GoldenScalars, testing::ValuesIn(kGoldenScalars), [](const auto& row) {
  std::string name = row.param.file;
  return name.substr(0, name.find('.'));
});

struct GoldenStochastic {
  const char* file;
  const char* format;
  int random_bits;
};

const GoldenStochastic kGoldenStochastics[] = {
    {"sr_bf16_16bits.u32x3", "bf16", 16},
    {"sr_f16_13bits.u32x3", "f16", 13},
    {"sr_fp8_e4m3fn_8bits.u32x3", "e4m3", 8},
    {"sr_fp4_e2m1_8bits.u32x3", "e2m1", 8},
};

// The file's random numbers are the top bits of ours. gfloat then moves up by the same rule, but its fraction
// has only that many bits; ours has 31 or all, so that the two agree because what follows the file's bits is
// zero in our word.
TEST(GoldenStochastics, TheSameRandomBitsGiveTheSameValues) {
  for (const auto& [file, name, random_bits] : kGoldenStochastics) {
    const BlockFormat format = own_format(name);
    std::vector<uint32_t> rows = read_golden<uint32_t>(file);
    ASSERT_EQ(rows.size() % 3, 0u);
    size_t moved_up = 0;
    for (size_t i = 0; i < rows.size(); i += 3) {
      float value = from_bits(rows[i]);
      uint32_t word = rows[i + 1] << (32 - random_bits);
      const auto& grid = std::get<FloatGrid>(format.grid);
      float found = rounded(grid, Rounding::sr, Overflow::saturate, value, word);
      float wanted = from_bits(rows[i + 2]);
      ASSERT_TRUE(same(found, wanted)) << name << " of " << in_hex(value) << " with bits " << rows[i + 1]
                                       << " found " << in_hex(found) << " wanted " << in_hex(wanted);
      moved_up += std::abs(found) > std::abs(value) ? 1 : 0;
    }
    EXPECT_GT(moved_up, rows.size() / 3 / 10) << name;
  }
}

// The formats of the CSV files by the names that the files have for them.
const std::map<std::string, FloatGrid> kGrids = {
    {"bf16", kBf16},
    {"f16", kF16},
    {"tf32", kTf32},
    {"fp8_e4m3fn", kE4M3},
    {"fp8_e5m2", kE5M2},
    {"fp8_e4m3fnuz", kE4M3Fnuz},
    {"fp8_e5m2fnuz", kE5M2Fnuz},
    {"fp8_e4m3b11fnuz", {4, 3, 11, FloatKind::fnuz}},
    {"fp6_e3m2", kE3M2},
    {"fp6_e2m3", kE2M3},
    {"fp4_e2m1", kE2M1},
    {"ieee_e3m4", float_grid(3, 4, FloatKind::ieee)},
    {"ieee_e4m3", float_grid(4, 3, FloatKind::ieee)},
    {"ieee_e5m7", float_grid(5, 7, FloatKind::ieee)},
    {"ieee_e6m9", float_grid(6, 9, FloatKind::ieee)},
    {"ieee_e8m3", float_grid(8, 3, FloatKind::ieee)},
    {"ieee_e8m15", float_grid(8, 15, FloatKind::ieee)},
    {"finite_e2m2", float_grid(2, 2, FloatKind::finite)},
    {"finite_e3m0", float_grid(3, 0, FloatKind::finite)},
    {"finite_e3m1", float_grid(3, 1, FloatKind::finite)},
    {"finite_e3m3", float_grid(3, 3, FloatKind::finite)},
    {"finite_e3m4", float_grid(3, 4, FloatKind::finite)},
    {"finite_e4m2", float_grid(4, 2, FloatKind::finite)},
    {"finite_e4m3", float_grid(4, 3, FloatKind::finite)},
    {"finite_e5m1", float_grid(5, 1, FloatKind::finite)},
};

struct Mode {
  Rounding rounding;
  Overflow overflow;
};

const std::map<std::string, Mode> kModes = {
    {"rne", {Rounding::rne, Overflow::infinite}},
    {"rne_sat", {Rounding::rne, Overflow::saturate}},
    {"rtz", {Rounding::rtz, Overflow::infinite}},
    {"rna", {Rounding::rna, Overflow::infinite}},
};

float bits_cell(const std::string& cell) {
  return from_bits(static_cast<uint32_t>(std::strtoul(cell.c_str(), nullptr, 16)));
}

// Where libraries part ways, ours goes with the reference column.
TEST(GoldenDisagreements, OursFollowsTheReferenceWhereALibraryDoesNot) {
  size_t compared = 0;
  for (const auto& row : read_golden_csv("scalar_disagreements.csv")) {
    ASSERT_TRUE(kGrids.count(row[0]) && kModes.count(row[1])) << row[0] << " " << row[1];
    const auto& [rounding, overflow] = kModes.at(row[1]);
    float value = bits_cell(row[3]);
    float found = rounded(kGrids.at(row[0]), rounding, overflow, value);
    float wanted = std::strtof(row[5].c_str(), nullptr);
    EXPECT_TRUE(same(found, wanted)) << row[0] << " " << row[1] << " of " << in_hex(value) << " found "
                                     << in_hex(found) << " wanted " << row[5];
    EXPECT_FALSE(same(found, std::strtof(row[6].c_str(), nullptr)))
        << row[0] << " " << row[1] << " " << row[2] << " of " << in_hex(value);
    ++compared;
  }
  EXPECT_GT(compared, 500u);
}

// gfloat's answers to +-Inf, four NaNs, -0 and +-FLT_MAX; it speaks for every mode. Its round_float refuses a
// NaN that the format lacks, its round_ndarray passes it on, as we do.
TEST(GoldenSpecials, OursAreThoseOfTheReference) {
  const uint32_t inputs[] = {0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001,
                             0xff800001, 0x80000000, 0x7f7fffff, 0xff7fffff};
  size_t compared = 0;
  for (const auto& row : read_golden_csv("specials.csv")) {
    if (row[2] != "gfloat.round_ndarray") continue;
    ASSERT_TRUE(kGrids.count(row[0]) && kModes.count(row[1])) << row[0] << " " << row[1];
    const auto& [rounding, overflow] = kModes.at(row[1]);
    for (size_t i = 0; i < std::size(inputs); ++i) {
      float found = rounded(kGrids.at(row[0]), rounding, overflow, from_bits(inputs[i]));
      EXPECT_TRUE(same(found, bits_cell(row[3 + i])))
          << row[0] << " " << row[1] << " of " << in_hex(from_bits(inputs[i])) << " found " << in_hex(found)
          << " wanted " << row[3 + i];
    }
    ++compared;
  }
  EXPECT_GE(compared, 27u);
}

}  // namespace
}  // namespace fakequant
