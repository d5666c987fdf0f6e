#include "engine/codec.h"

#include <ggml.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/error.h"
#include "base/testing.h"
#include "base/text.h"

namespace fakequant {
namespace {

using base_testing::read_golden;

std::vector<float> normal_values(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

size_t stored_size(TensorType type, size_t values) {
  return values / facts_of(type).block_values * facts_of(type).block_bytes;
}

std::vector<float> round_trip(TensorType type, int64_t row_length, const std::vector<float>& values,
                              std::span<const float> importance = {}) {
  std::vector<std::byte> bytes(stored_size(type, values.size()));
  encode(type, row_length, values, importance, bytes);
  std::vector<float> restored(values.size());
  decode(type, bytes, restored);
  return restored;
}

TEST(TensorTypeTable, AgreesWithGgml) {
  for (const TypeFacts& facts : all_tensor_types()) {
    auto type = static_cast<ggml_type>(facts.type);
    EXPECT_EQ(facts.block_values, static_cast<uint32_t>(ggml_blck_size(type))) << facts.name;
    EXPECT_EQ(facts.block_bytes, ggml_type_size(type)) << facts.name;
    EXPECT_EQ(lower(facts.name), lower(ggml_type_name(type)));
    EXPECT_EQ(facts.type_class == TypeClass::quantized, ggml_is_quantized(type)) << facts.name;
    EXPECT_EQ(can_decode(facts.type) && facts.type_class == TypeClass::quantized,
              ggml_is_quantized(type) && ggml_get_type_traits(type)->to_float != nullptr)
        << facts.name;
  }
  for (int id = 0; id < GGML_TYPE_COUNT; ++id) {
    EXPECT_EQ(tensor_type_from_id(static_cast<uint32_t>(id)).has_value(),
              ggml_blck_size(static_cast<ggml_type>(id)) != 0)
        << id;
  }
}

TEST(Encode, IsBitEqualToGgmlForEveryType) {
  constexpr int64_t kRowLength = 512;
  std::vector<float> values = normal_values(8 * kRowLength, 1);
  std::vector<float> importance(kRowLength);
  for (size_t i = 0; i < importance.size(); ++i) importance[i] = 0.5f + static_cast<float>(i % 7);
  for (const TypeFacts& facts : all_tensor_types()) {
    if (!can_encode(facts.type)) continue;
    for (bool with_importance : {false, true}) {
      if (!with_importance && needs_importance(facts.type)) continue;
      const float* weights = with_importance ? importance.data() : nullptr;
      std::vector<std::byte> wanted(stored_size(facts.type, values.size()));
      ggml_quantize_chunk(static_cast<ggml_type>(facts.type), values.data(), wanted.data(), 0, 8, kRowLength,
                          weights);
      std::vector<std::byte> found(wanted.size());
      encode(facts.type, kRowLength, values,
             with_importance ? std::span<const float>(importance) : std::span<const float>{}, found);
      EXPECT_EQ(found, wanted) << facts.name << " importance " << with_importance;
      std::vector<float> restored(values.size());
      decode(facts.type, found, restored);
      std::vector<float> by_ggml(values.size());
      auto* to_float = ggml_get_type_traits(static_cast<ggml_type>(facts.type))->to_float;
      if (to_float == nullptr) continue;
      to_float(wanted.data(), by_ggml.data(), static_cast<int64_t>(by_ggml.size()));
      EXPECT_EQ(restored, by_ggml) << facts.name;
    }
  }
}

TEST(Encode, UsesImportanceExactlyWhereItSays) {
  std::vector<float> values = normal_values(1024, 2);
  std::vector<float> importance(256);
  for (size_t i = 0; i < importance.size(); ++i) importance[i] = i % 3 == 0 ? 10.0f : 0.01f;
  for (const TypeFacts& facts : all_tensor_types()) {
    if (facts.type_class != TypeClass::quantized || !can_encode(facts.type) || needs_importance(facts.type))
      continue;
    bool differs = round_trip(facts.type, 256, values) != round_trip(facts.type, 256, values, importance);
    EXPECT_EQ(differs, uses_importance(facts.type)) << facts.name;
  }
}

struct GoldenGgml {
  const char* file;
  TensorType type;
};

class GoldenGgmlTypes : public testing::TestWithParam<GoldenGgml> {};

TEST_P(GoldenGgmlTypes, RoundTripIsBitEqual) {
  std::vector<float> values = read_golden<float>("mx_in.f32");
  std::vector<float> wanted = read_golden<float>(GetParam().file);
  ASSERT_EQ(values.size(), wanted.size());
  for (size_t first = 0; first < values.size(); first += 32) {
    std::vector<float> block(values.begin() + static_cast<std::ptrdiff_t>(first),
                             values.begin() + static_cast<std::ptrdiff_t>(first) + 32);
    if (!std::all_of(block.begin(), block.end(), [](float v) { return std::isfinite(v); })) continue;
    std::vector<float> found = round_trip(GetParam().type, 32, block);
    for (size_t i = 0; i < found.size(); ++i) {
      bool both_nan = std::isnan(found[i]) && std::isnan(wanted[first + i]);
      ASSERT_TRUE(both_nan || found[i] == wanted[first + i]) << GetParam().file << " at " << first + i;
    }
  }
}

const GoldenGgml kGoldenGgml[] = {{"ggml_q8_0.f32", TensorType::Q8_0}, {"ggml_q4_0.f32", TensorType::Q4_0},
                                  {"ggml_q4_1.f32", TensorType::Q4_1}, {"ggml_q5_0.f32", TensorType::Q5_0},
                                  {"ggml_q5_1.f32", TensorType::Q5_1}, {"ggml_mxfp4.f32", TensorType::MXFP4}};
INSTANTIATE_TEST_SUITE_P(AllFiles, GoldenGgmlTypes, testing::ValuesIn(kGoldenGgml),
                         [](const auto& row) { return std::string(name_of(row.param.type)); });

TEST(Encode, RefusesWhatGgmlWouldAbortOnOrHide) {
  std::vector<float> values = normal_values(256, 3);
  std::vector<std::byte> bytes(4096);
  auto target = [&](TensorType type) { return std::span(bytes).first(stored_size(type, values.size())); };
  EXPECT_THROW(encode(TensorType::IQ2_XXS, 256, values, {}, target(TensorType::IQ2_XXS)), Error);
  EXPECT_THROW(encode(TensorType::I32, 256, values, {}, target(TensorType::I32)), Error);
  for (float bad : {NAN, INFINITY, -INFINITY}) {
    values[17] = bad;
    for (const TypeFacts& facts : all_tensor_types()) {
      if (facts.type_class != TypeClass::quantized || !can_encode(facts.type)) continue;
      EXPECT_THROW(encode(facts.type, 256, values, {}, target(facts.type)), Error) << facts.name;
    }
  }
}

// Every finite row is stored or refused: ggml's searches would abort on some.
TEST(Encode, FiniteExtremesAreStoredOrRefused) {
  float max = std::numeric_limits<float>::max();
  float smallest = std::numeric_limits<float>::denorm_min();
  std::vector<std::vector<float>> rows;
  for (float extreme : {0.0f, max, -max, smallest, kLargestSearchable, 2 * kLargestSearchable}) {
    rows.emplace_back(256, extreme);
    rows.push_back(normal_values(256, 4));
    rows.back()[99] = extreme;
  }
  std::vector<std::vector<float>> weights;
  for (float weight : {1e-38f, kLargestImportance}) weights.emplace_back(256, weight);
  for (const TypeFacts& facts : all_tensor_types()) {
    if (!can_encode(facts.type)) continue;
    for (const std::vector<float>& row : rows) {
      for (const std::vector<float>& importance : weights) {
        bool search = facts.name.substr(0, 3) == "IQ1" || facts.name.substr(0, 3) == "IQ2" ||
                      facts.name.substr(0, 3) == "IQ3";
        bool beyond = *std::max_element(row.begin(), row.end()) > kLargestSearchable || row[0] == -max ||
                      row[99] == -max;
        if (search && beyond) {
          EXPECT_THROW(round_trip(facts.type, 256, row, importance), Error) << facts.name;
        } else {
          EXPECT_EQ(round_trip(facts.type, 256, row, importance).size(), row.size());
        }
      }
    }
  }
  std::vector<float> heavy(256, 2 * kLargestImportance);
  EXPECT_THROW(round_trip(TensorType::IQ3_S, 256, normal_values(256, 6), heavy), Error);
}

TEST(Decode, ReadsEveryValueOfRunsOfAnyLength) {
  constexpr uint16_t kThreeF16 = 0x4200;
  constexpr uint16_t kThreeBf16 = 0x4040;
  for (size_t count = 1; count <= 40; ++count) {
    std::vector<float> wanted(count, 3.0f);
    std::vector<float> values(count);
    std::vector<uint16_t> codes(count, kThreeF16);
    decode(TensorType::F16, std::as_bytes(std::span(codes)), values);
    EXPECT_EQ(values, wanted);
    codes.assign(count, kThreeBf16);
    decode(TensorType::BF16, std::as_bytes(std::span(codes)), values);
    EXPECT_EQ(values, wanted);
  }
}

TEST(Decode, ReadsEveryF16AndBf16CodeExactly) {
  std::vector<uint16_t> codes(65536);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint16_t>(i);
  std::vector<float> values(codes.size());
  decode(TensorType::BF16, std::as_bytes(std::span(codes)), values);
  for (size_t i = 0; i < codes.size(); ++i)
    ASSERT_EQ(std::bit_cast<uint32_t>(values[i]), static_cast<uint32_t>(i) << 16);
  decode(TensorType::F16, std::as_bytes(std::span(codes)), values);
  EXPECT_EQ(values[0x3C00], 1.0f);
  EXPECT_EQ(values[0x0001], 0x1p-24f);
  EXPECT_EQ(values[0xFBFF], -65504.0f);
  std::vector<std::byte> back(codes.size() * 2);
  encode(TensorType::F16, 65536, values, {}, back);
  for (size_t i = 0; i < codes.size(); ++i) {
    if (std::isnan(values[i])) continue;
    ASSERT_EQ(std::memcmp(&codes[i], back.data() + 2 * i, 2), 0) << i;
  }
}

TEST(Decode, ReadsIntegersAndUnalignedBytes) {
  int16_t numbers[] = {-32768, 0, 32767};
  std::vector<float> values(3);
  decode(TensorType::I16, std::as_bytes(std::span(numbers)), values);
  EXPECT_EQ(values, (std::vector<float>{-32768.0f, 0.0f, 32767.0f}));
  std::vector<float> row = normal_values(256, 5);
  for (TensorType type : {TensorType::Q4_K, TensorType::F16, TensorType::Q8_0}) {
    std::vector<std::byte> bytes(stored_size(type, 256) + 1);
    encode(type, 256, row, {}, std::span(bytes).first(stored_size(type, 256)));
    std::vector<float> aligned(256);
    decode(type, std::span(bytes).first(stored_size(type, 256)), aligned);
    std::memmove(bytes.data() + 1, bytes.data(), stored_size(type, 256));
    std::vector<float> shifted(256);
    decode(type, std::span(bytes).subspan(1), shifted);
    EXPECT_EQ(aligned, shifted);
  }
  EXPECT_THROW(decode(TensorType::Q8_K, std::vector<std::byte>(292), row), Error);
}

}  // namespace
}  // namespace fakequant
