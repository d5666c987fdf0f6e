// Our GGUF reader against ggml's own, on valid files and on tens of thousands of mutations of small ones.
// They must agree: we accept exactly what ggml accepts with all tensor data present, and see the same names,
// types, shapes and offsets.

#include <ggml.h>
#include <gguf.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <random>

#include "gguf/testing.h"

namespace fakequant {
namespace {

using namespace gguf_testing;

// What ggml makes of some bytes; `context` is null when it refuses them.
struct GgmlView {
  std::unique_ptr<gguf_context, decltype(&gguf_free)> context{nullptr, &gguf_free};
  std::unique_ptr<ggml_context, decltype(&ggml_free)> tensors{nullptr, &ggml_free};
};

// Nothing in gguf_init_from_buffer with no_alloc can reach a GGML_ASSERT: keys are checked for being empty
// before the one about that, and the ones about values guard calls that we do not make. Its allocations are
// bounded by the bytes that are left (vectors are resized only after that check), so a small file cannot make
// it allocate much. So nothing is left out.
GgmlView ask_ggml(const std::string& bytes) {
  GgmlView view;
  ggml_context* tensors = nullptr;
  gguf_init_params params = {/*no_alloc=*/true, /*ctx=*/&tensors};
  view.context.reset(gguf_init_from_buffer(bytes.data(), bytes.size(), params));
  view.tensors.reset(tensors);
  return view;
}

std::optional<GgufFile> ask_us(const std::string& bytes, std::string& message) {
  try {
    return parse_bytes(bytes);
  } catch (const Error& error) {
    message = error.what();
    return std::nullopt;
  }
}

// ggml does not look at the data; its own arithmetic on sizes may wrap around, ours here does not.
bool all_data_present(const gguf_context* context, uint64_t file_bytes) {
  for (int64_t i = 0; i < gguf_get_n_tensors(context); ++i) {
    const int64_t* shape = gguf_get_tensor_ne(context, i);
    ggml_type type = gguf_get_tensor_type(context, i);
    uint64_t values = 1;
    bool empty = false, overflow = false;
    for (int d = 0; d < GGML_MAX_DIMS; ++d) {
      empty = empty || shape[d] == 0;
      overflow = overflow || __builtin_mul_overflow(values, static_cast<uint64_t>(shape[d]), &values);
    }
    if (empty) continue;
    uint64_t size = values / static_cast<uint64_t>(ggml_blck_size(type));
    overflow = overflow || __builtin_mul_overflow(size, uint64_t{ggml_type_size(type)}, &size);
    uint64_t start = gguf_get_data_offset(context) + gguf_get_tensor_offset(context, i);
    if (overflow || start > file_bytes || size > file_bytes - start) return false;
  }
  return true;
}

void expect_same_contents(const gguf_context* context, const GgufFile& file) {
  ASSERT_EQ(gguf_get_version(context), file.version());
  ASSERT_EQ(gguf_get_alignment(context), file.alignment());
  ASSERT_EQ(gguf_get_data_offset(context), file.data_offset());
  ASSERT_EQ(static_cast<size_t>(gguf_get_n_kv(context)), file.metadata().size());
  for (size_t i = 0; i < file.metadata().size(); ++i) {
    const MetadataEntry& entry = file.metadata()[i];
    int64_t index = static_cast<int64_t>(i);
    ASSERT_STREQ(gguf_get_key(context, index), std::string(entry.key).c_str());
    ASSERT_EQ(static_cast<uint32_t>(gguf_get_kv_type(context, index)), static_cast<uint32_t>(entry.type));
    ASSERT_EQ(gguf_type_name(gguf_get_kv_type(context, index)), name_of(entry.type));
    // Which pair a lookup finds, when keys differ only behind a NUL.
    int64_t found = gguf_find_key(context, gguf_get_key(context, index));
    ASSERT_EQ(file.find(gguf_get_key(context, index)), &file.metadata()[static_cast<size_t>(found)]);
    if (entry.type == MetadataType::array) {
      ASSERT_EQ(static_cast<uint32_t>(gguf_get_arr_type(context, index)),
                static_cast<uint32_t>(entry.element_type));
      ASSERT_EQ(gguf_get_arr_n(context, index), entry.element_count);
    }
    if (entry.element_type == MetadataType::string) continue;
    // Booleans are normalized by ggml, not by us; their bytes are compared as truth values elsewhere.
    if (entry.element_type == MetadataType::boolean || entry.value.empty()) continue;
    const void* data = entry.type == MetadataType::array ? gguf_get_arr_data(context, index)
                                                         : gguf_get_val_data(context, index);
    ASSERT_EQ(std::memcmp(data, entry.value.data(), entry.value.size()), 0) << entry.key;
  }
  ASSERT_EQ(static_cast<size_t>(gguf_get_n_tensors(context)), file.tensors().size());
  for (size_t i = 0; i < file.tensors().size(); ++i) {
    const TensorInfo& tensor = file.tensors()[i];
    int64_t index = static_cast<int64_t>(i);
    ASSERT_EQ(gguf_get_tensor_name(context, index), tensor.name);
    ASSERT_EQ(static_cast<uint32_t>(gguf_get_tensor_type(context, index)),
              static_cast<uint32_t>(tensor.type));
    ASSERT_EQ(gguf_get_tensor_size(context, index), tensor.data_bytes);
    ASSERT_EQ(gguf_get_data_offset(context) + gguf_get_tensor_offset(context, index), tensor.data_offset);
    std::vector<int64_t> shape = tensor.shape;
    shape.resize(GGML_MAX_DIMS, 1);
    for (size_t d = 0; d < shape.size(); ++d) ASSERT_EQ(gguf_get_tensor_ne(context, index)[d], shape[d]);
  }
}

// Fails the test when the two readers differ on `bytes`; true when both accept.
bool readers_agree(const std::string& bytes) {
  GgmlView ggml = ask_ggml(bytes);
  std::string message;
  std::optional<GgufFile> ours = ask_us(bytes, message);
  bool wanted = ggml.context != nullptr && all_data_present(ggml.context.get(), bytes.size());
  EXPECT_EQ(ours.has_value(), wanted) << (ggml.context ? "ggml accepts; " : "ggml refuses; ") << message;
  if (!ours || !wanted) return false;
  expect_same_contents(ggml.context.get(), *ours);
  walk(*ours);
  return true;
}

// Small valid files that together have every feature of the format.
std::vector<std::string> starting_points() {
  std::vector<std::string> result;
  for (uint32_t version : {2u, 3u}) {
    for (uint32_t alignment : {0u, 1u, 8u, 64u}) result.push_back(rich_file(version, alignment).build());
  }
  result.push_back(rich_file().build_unpadded());
  GgufBuilder all_types;
  for (const TypeFacts& facts : all_tensor_types()) all_types.add_tensor(facts.name, facts.type, {256, 2});
  result.push_back(all_types.build());
  result.push_back(GgufBuilder().build());
  result.push_back(
      GgufBuilder().add_tensor("a", TensorType::F32, {2}).add_tensor("b", TensorType::F16, {2, 2}).build());
  return result;
}

TEST(GgufAgreement, OnValidFiles) {
  for (const std::string& bytes : starting_points()) EXPECT_TRUE(readers_agree(bytes));
}

// With no_alloc off ggml reads the data, too, and wants the last tensor's padding.
TEST(GgufAgreement, GgmlLoadsWhatWeWriteWithOtherTypesAndStamps) {
  TestFolder folder;
  for (const std::string& bytes : starting_points()) {
    GgufFile input = GgufFile::open(folder.write("in.gguf", bytes));
    std::vector<TensorType> types(input.tensors().size(), TensorType::F32);
    FileLayout layout = plan_layout(input, types, {{"fakequant.test", "value"}});
    write_untouched(input, layout, std::vector<bool>(types.size(), true), folder.at("out.gguf"))
        .publish(true);

    std::string written = read_file(folder.at("out.gguf"));
    EXPECT_TRUE(readers_agree(written));
    ggml_context* tensors = nullptr;
    gguf_init_params params = {/*no_alloc=*/false, /*ctx=*/&tensors};
    gguf_context* context = gguf_init_from_file(folder.at("out.gguf").c_str(), params);
    ASSERT_NE(context, nullptr);
    EXPECT_STREQ(gguf_get_val_str(context, gguf_find_key(context, "fakequant.test")), "value");
    gguf_free(context);
    ggml_free(tensors);
  }
}

TEST(GgufAgreement, OnTheModelsBesideTheCheckout) {
  std::filesystem::path folder = std::filesystem::path(FAKEQUANT_SHARED_DIR) / "models";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << "no " << folder;
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") continue;
    EXPECT_TRUE(readers_agree(read_file(entry.path()))) << entry.path();
    ++count;
  }
  EXPECT_GT(count, 0u);
}

TEST(GgufAgreement, OnSeedsOfTheFuzzTarget) {
  size_t accepted = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(FAKEQUANT_SOURCE_DIR "/fuzz/corpus/gguf_reader")) {
    accepted += readers_agree(read_file(entry.path())) ? 1 : 0;
    EXPECT_FALSE(HasFailure()) << entry.path();
  }
  EXPECT_GE(accepted, 14u);
}

TEST(GgufAgreement, OnEveryTruncation) {
  for (const std::string& bytes : starting_points()) {
    for (size_t size = 1; size<bytes.size(); size += bytes.size()> 10000 ? 37 : 1) {
      readers_agree(bytes.substr(0, size));
      ASSERT_FALSE(HasFailure()) << size;
    }
  }
}

TEST(GgufAgreement, OnEdgesOfTheRules) {
  constexpr int64_t kHalf = int64_t{1} << 32;
  std::string data(4096, 'x');
  std::vector<std::string> files;
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{kHalf, kHalf},
                                                                             {kHalf, kHalf, 0},
                                                                             {0, kHalf, kHalf, kHalf},
                                                                             {INT64_MAX},
                                                                             {INT64_MAX - 1},
                                                                             {1, INT64_MAX},
                                                                             {INT64_MAX, INT64_MAX, 4, 4},
                                                                             {int64_t{1} << 62, 4},
                                                                             {3, kHalf, kHalf},
                                                                             {-1, -1},
                                                                             {0, -1},
                                                                             {1, 1, 1, 1}}) {
    for (uint32_t type = 0; type < 45; ++type)
      files.push_back(GgufBuilder().add_tensor("w", type, shape, data).build());
  }
  for (uint32_t type = 0; type < 50; ++type) {
    for (int64_t row : {0, 1, 31, 32, 64, 128, 256, 257}) {
      files.push_back(GgufBuilder().add_tensor("w", type, {row, 2}, data).build());
    }
  }
  for (uint64_t shift = 0; shift < 32; ++shift) {
    files.push_back(GgufBuilder().add("general.alignment", uint32_t{1} << shift).build());
    files.push_back(
        GgufBuilder().add("general.alignment", uint32_t{1} << shift).add_tensor("w", 0, {1}, "1234").build());
  }
  for (size_t length : {0, 1, 62, 63, 64, 65}) {
    files.push_back(GgufBuilder().add_tensor(std::string(length, 'n'), 0, {1}, "1234").build());
    std::string with_nul = "n" + std::string(length, '\0');
    files.push_back(
        GgufBuilder().add(with_nul, 1u).add("n", 2u).add_tensor(with_nul, 0, {1}, "1234").build());
    files.push_back(GgufBuilder().add_tensor(with_nul, 0, {0}, "").add_tensor("n", 0, {1}, "1234").build());
    std::string hidden = std::string("general.alignment") + std::string(length, '\0');
    files.push_back(GgufBuilder().add(hidden, 48u).add("general.alignment", 64u).build());
  }
  size_t accepted = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    accepted += readers_agree(files[i]) ? 1 : 0;
    ASSERT_FALSE(HasFailure()) << i;
  }
  EXPECT_GT(accepted, 50u);
  EXPECT_LT(accepted, files.size() - 50);
}

// One to three changes: a byte, an integer that someone might choose, a piece of another file, a cut.
std::string mutate(std::string bytes, const std::vector<std::string>& others, std::mt19937_64& random) {
  static constexpr uint64_t kIntegers[] = {0,
                                           1,
                                           2,
                                           3,
                                           4,
                                           5,
                                           8,
                                           9,
                                           10,
                                           12,
                                           13,
                                           16,
                                           31,
                                           32,
                                           33,
                                           63,
                                           64,
                                           65,
                                           127,
                                           128,
                                           255,
                                           256,
                                           4096,
                                           65535,
                                           65536,
                                           uint64_t{1} << 30,
                                           (uint64_t{1} << 30) + 1,
                                           INT32_MAX,
                                           uint64_t{1} << 31,
                                           UINT32_MAX,
                                           uint64_t{1} << 32,
                                           uint64_t{1} << 61,
                                           uint64_t{1} << 62,
                                           INT64_MAX,
                                           uint64_t{1} << 63,
                                           UINT64_MAX,
                                           UINT64_MAX - 7,
                                           UINT64_MAX - 31};
  uint64_t changes = 1 + random() % 3;
  for (uint64_t i = 0; i < changes && bytes.size() > 16; ++i) {
    // Mostly in the header, which comes first.
    size_t reach = random() % 4 == 0 ? bytes.size() : std::min<size_t>(bytes.size(), 1400);
    size_t place = random() % reach;
    switch (random() % 8) {
      case 0:
      case 1:
      case 2:
        bytes[place] = static_cast<char>(bytes[place] ^ (1 << random() % 8));
        break;
      case 3:
        bytes[place] = static_cast<char>(random());
        break;
      case 4:
      case 5: {
        std::string integer = bytes_of(kIntegers[random() % std::size(kIntegers)]);
        integer.resize(random() % 2 == 0 ? 4 : 8);
        bytes.replace(place, integer.size(), integer);
        break;
      }
      case 6: {
        const std::string& other = others[random() % others.size()];
        bytes.replace(place, random() % 40, other.substr(random() % other.size(), random() % 40));
        break;
      }
      default:
        if (random() % 4 == 0) bytes.resize(place);
    }
  }
  return bytes;
}

TEST(GgufAgreement, OnRandomMutations) {
  std::vector<std::string> files = starting_points();
  std::mt19937_64 random(20240607);
  size_t accepted = 0;
  constexpr size_t kRounds = 200000;
  for (size_t round = 0; round < kRounds; ++round) {
    std::string bytes = mutate(files[random() % files.size()], files, random);
    if (bytes.empty()) continue;
    accepted += readers_agree(bytes) ? 1 : 0;
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
  // The mutations reach both sides.
  EXPECT_GT(accepted, kRounds / 50);
  EXPECT_LT(accepted, kRounds - kRounds / 50);
}

}  // namespace
}  // namespace fakequant

int main(int argument_count, char** arguments) {
  testing::InitGoogleTest(&argument_count, arguments);
  ggml_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  return RUN_ALL_TESTS();
}
