#include "gguf/reader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>

#include "gguf/testing.h"

namespace fakequant {
namespace {

using namespace gguf_testing;

std::string error_for(const std::string& bytes) {
  return error_of([&] { walk(parse_bytes(bytes)); });
}

// Replaces the bytes from `place` on.
std::string spliced(std::string bytes, size_t place, const std::string& by) {
  return bytes.replace(place, by.size(), by);
}

// The file's tensor counts and pair counts stand here.
constexpr size_t kTensorCountPlace = 8;
constexpr size_t kPairCountPlace = 16;

TEST(GgufFileParse, ReadsEveryMetadataType) {
  std::string bytes = rich_file().build();
  GgufFile file = parse_bytes(bytes);
  auto shown = [&](std::string_view key) { return display_value(*file.find(key)); };
  EXPECT_EQ(file.metadata().size(), 24u);
  EXPECT_EQ(shown("t.u8"), "200");
  EXPECT_EQ(shown("t.i8"), "-3");
  EXPECT_EQ(shown("t.u16"), "60000");
  EXPECT_EQ(shown("t.i16"), "-300");
  EXPECT_EQ(shown("t.u32"), "4000000000");
  EXPECT_EQ(shown("t.i32"), "-70000");
  EXPECT_EQ(shown("t.f32"), "1.5");
  EXPECT_EQ(shown("t.bool"), "true");
  EXPECT_EQ(shown("t.u64"), "9223372036854775808");
  EXPECT_EQ(shown("t.i64"), "-1");
  EXPECT_EQ(shown("t.f64"), "0.1");
  EXPECT_EQ(shown("a.u8"), "[1, 2, 3]");
  EXPECT_EQ(shown("a.u32"), "[1, 2, 3, 4, ...] (6 values)");
  EXPECT_EQ(shown("a.bool"), "[false, true, true]");
  EXPECT_EQ(shown("a.str"), "[\"a\", \"\", \"three\"]");
  EXPECT_EQ(shown("a.i64"), "[]");
  EXPECT_EQ(shown("a.f64"), "[0.25]");
  EXPECT_EQ(file.find("a.str")->element_count, 3u);
  EXPECT_EQ(file.find("a.str")->element_type, MetadataType::string);
  EXPECT_EQ(file.find("a.str")->value.size(), 3 * 8 + 6u);
  EXPECT_EQ(file.find("no.such.key"), nullptr);
}

TEST(GgufFileParse, ReadsTheTensorTable) {
  std::string bytes = rich_file().build();
  GgufFile file = parse_bytes(bytes);
  ASSERT_EQ(file.tensors().size(), 6u);
  const TensorInfo& up = file.tensors()[2];
  EXPECT_EQ(up.name, "blk.0.ffn_up.weight");
  EXPECT_EQ(up.type, TensorType::Q4_0);
  EXPECT_EQ(up.shape, (std::vector<int64_t>{32, 2, 1, 1}));
  EXPECT_EQ(up.row_length, 32);
  EXPECT_EQ(up.row_count, 2);
  EXPECT_EQ(up.value_count, 64);
  EXPECT_EQ(up.data_bytes, 36u);
  EXPECT_EQ(up.data_offset, file.data_offset() + 64 + 32);
  EXPECT_EQ(text_of(file.data_of(up)), bytes.substr(up.data_offset, 36));
  const TensorInfo& scalar = file.tensors()[3];
  EXPECT_TRUE(scalar.shape.empty());
  EXPECT_EQ(scalar.row_length, 1);
  EXPECT_EQ(scalar.row_count, 1);
  EXPECT_EQ(scalar.data_bytes, 4u);
  const TensorInfo& empty = file.tensors()[4];
  EXPECT_EQ(empty.value_count, 0);
  EXPECT_EQ(empty.row_count, 0);
  EXPECT_EQ(empty.data_offset, file.tensors()[5].data_offset);
  EXPECT_TRUE(file.data_of(empty).empty());
  EXPECT_EQ(file.metadata_offset(), 24u);
  EXPECT_EQ(file.metadata()[0].offset, 24u);
  EXPECT_EQ(file.tensor_table_offset(), file.tensors()[0].info_offset);
}

class GgufFileLayouts : public ::testing::TestWithParam<std::pair<uint32_t, uint32_t>> {};

TEST_P(GgufFileLayouts, ReadsVersionsAndAlignments) {
  auto [version, alignment] = GetParam();
  std::string bytes = rich_file(version, alignment).build();
  GgufFile file = parse_bytes(bytes);
  EXPECT_EQ(file.version(), version);
  EXPECT_EQ(file.alignment(), alignment == 0 ? 32 : alignment);
  EXPECT_EQ(file.data_offset() % file.alignment(), 0u);
  for (const TensorInfo& tensor : file.tensors()) EXPECT_EQ(tensor.data_offset % file.alignment(), 0u);
  walk(file);
}

INSTANTIATE_TEST_SUITE_P(All, GgufFileLayouts,
                         ::testing::Values(std::pair(2, 0), std::pair(3, 0), std::pair(2, 64),
                                           std::pair(3, 1), std::pair(3, 8), std::pair(3, 32),
                                           std::pair(3, 64), std::pair(3, 4096)));

TEST(GgufFileParse, AcceptsAFileWithoutTensorsThatEndsWithItsHeader) {
  std::string bytes = GgufBuilder().add("general.name", std::string_view("x")).build();
  GgufFile file = parse_bytes(bytes);
  EXPECT_TRUE(file.tensors().empty());
  EXPECT_EQ(file.data_offset(), bytes.size());
  EXPECT_EQ(parse_bytes(GgufBuilder().build()).metadata().size(), 0u);
}

TEST(GgufFileParse, AcceptsAMissingLastPaddingAndTrailingBytes) {
  GgufBuilder builder = rich_file();
  EXPECT_LT(builder.build_unpadded().size(), builder.build().size());
  EXPECT_EQ(error_for(builder.build_unpadded()), "");
  EXPECT_EQ(error_for(builder.build() + "trailing"), "");
  // A tensor without values behind a missing padding lies behind the end of the file.
  builder = GgufBuilder().add_tensor("a", TensorType::F32, {1}).add_tensor("b", TensorType::F32, {0});
  std::string bytes = builder.build();
  bytes.resize(bytes.size() - 28);
  EXPECT_EQ(error_for(bytes), "");
}

TEST(GgufFileParse, TreatsNulInNamesAsGgmlDoes) {
  // A valueless tensor first, so that both offsets are 0 whatever the alignment.
  std::string bytes = GgufBuilder()
                          .add(std::string_view("general.alignment\0x", 19), uint32_t{64})
                          .add("general", 1u)
                          .add_tensor("", TensorType::F32, {0})
                          .add_tensor(std::string_view("a\0b", 3), TensorType::F32, {1})
                          .build();
  bytes.resize(256, '\0');
  GgufFile file = parse_bytes(bytes);
  EXPECT_EQ(file.alignment(), 64u);
  EXPECT_EQ(file.find("general.alignment")->key.size(), 19u);
  EXPECT_EQ(file.find("general")->key, "general");
  EXPECT_EQ(file.tensors()[0].name, "");
  EXPECT_EQ(file.tensors()[1].name, "a");
}

struct Refusal {
  const char* name;
  std::string bytes;
  std::string message;  // after "f.gguf: "
};

std::string one_key(uint32_t type, const std::string& value) {
  return GgufBuilder().add_raw("key", type, value).build();
}

std::string one_tensor(uint32_t type, const std::vector<int64_t>& shape) {
  return GgufBuilder().add_tensor("w", type, shape, std::string(64, 'x')).build();
}

std::vector<Refusal> header_refusals() {
  std::string empty = GgufBuilder().build();
  std::string good = rich_file().build();
  return {
      {"Nothing", "", "at byte 0, magic: found 0 bytes to the end of the file, wanted 4 for 'GGUF'"},
      {"Magic", "GGML" + good.substr(4),
       "at byte 0, magic: found 'GGML', wanted 'GGUF': this is no GGUF file"},
      {"ControlBytes", "\x1b[2J" + good.substr(4),
       "at byte 0, magic: found '\\x1b[2J', wanted 'GGUF': this is no GGUF file"},
      {"Version0", spliced(empty, 4, bytes_of(0u)), "at byte 4, version: found 0, wanted 2 or 3"},
      {"Version1", spliced(empty, 4, bytes_of(1u)), "at byte 4, version: found 1, wanted 2 or 3"},
      {"Version4", spliced(empty, 4, bytes_of(4u)), "at byte 4, version: found 4, wanted 2 or 3"},
      {"BigEndian", spliced(empty, 4, bytes_of(0x03000000u)),
       "at byte 4, version: found version 3 in big-endian order, wanted a little-endian file (gguf-py's "
       "gguf-convert-endian turns one into the other)"},
      {"TensorCountNegative", spliced(empty, kTensorCountPlace, bytes_of(int64_t{-1})),
       "at byte 8, tensor count: found -1, wanted a count of 0 or more"},
      {"PairCountNegative", spliced(empty, kPairCountPlace, bytes_of(int64_t{-5})),
       "at byte 16, metadata count: found -5, wanted a count of 0 or more"},
      {"TensorCountHuge",
       spliced(empty + std::string(48, '\0'), kTensorCountPlace, bytes_of(uint64_t{1} << 62)),
       "at byte 8, tensor count: found 4611686018427387904, wanted at most 2, as only 48 bytes follow"},
      {"PairCountHuge", spliced(empty, kPairCountPlace, bytes_of(uint64_t{1000000})),
       "at byte 16, metadata count: found 1000000, wanted at most 0, as only 0 bytes follow"},
  };
}

std::vector<Refusal> metadata_refusals() {
  uint64_t long_string = (uint64_t{1} << 30) + 1;
  auto array = [](uint32_t type, uint64_t count) {
    return bytes_of(type) + bytes_of(count) + std::string(40, '\0');
  };
  std::string alignment_u64 = GgufBuilder().add_raw("general.alignment", 10, bytes_of(uint64_t{32})).build();
  std::string duplicate = GgufBuilder().add("a", 1u).add("b", 1u).add("a", 1u).build();
  return {
      {"KeyEmpty", GgufBuilder().add("", 1u).build(),
       "at byte 24, key 0: found an empty name, wanted at least one character"},
      {"KeyDuplicate", duplicate,
       "at byte 58, key 2 'a': found the name of key 0 again, wanted names that differ"},
      {"KeyTooLong", spliced(one_key(4, bytes_of(1u)), 24, bytes_of(long_string)),
       "at byte 24, key 0: found its name of 1073741825 bytes, wanted at most 1073741824 (1 GiB)"},
      {"KeyBeyondEnd", spliced(one_key(4, bytes_of(1u)), 24, bytes_of(uint64_t{100})),
       "at byte 32, key 0: found 11 bytes to the end of the file, wanted 100 for its name"},
      {"KeyControlBytes", GgufBuilder().add_raw("a\nb", 99, "1234").build(),
       "at byte 35, key 0 'a\\x0ab': found type 99, wanted a metadata type, 0 to 12"},
      {"TypeUnknown", one_key(13, bytes_of(1u)),
       "at byte 35, key 0 'key': found type 13, wanted a metadata type, 0 to 12"},
      {"ArrayTypeUnknown", one_key(9, array(13, 1)),
       "at byte 39, key 0 'key': found type 13, wanted a metadata type, 0 to 12"},
      {"ArrayNested", one_key(9, array(9, 1)),
       "at byte 39, key 0 'key': found an array of arrays, wanted an array of scalars or strings"},
      {"ArrayTooLong", one_key(9, array(0, long_string)),
       "at byte 43, key 0 'key': found an array of 1073741825 values, wanted at most 1073741824"},
      {"ArrayBeyondEnd", one_key(9, array(12, 6)),
       "at byte 51, key 0 'key': found 40 bytes to the end of the file, wanted 48 for the array's values"},
      {"StringArrayBeyondEnd", one_key(9, array(8, 1000000000)),
       "at byte 51, key 0 'key': found 40 bytes to the end of the file, wanted 8000000000 for the array's "
       "values"},
      {"StringInArrayBeyondEnd",
       one_key(9, bytes_of(8u) + bytes_of(uint64_t{1}) + bytes_of(uint64_t{3}) + "ab"),
       "at byte 59, key 0 'key': found 2 bytes to the end of the file, wanted 3 for a string in its array"},
      {"StringTooLong", one_key(8, bytes_of(long_string)),
       "at byte 39, key 0 'key': found its string of 1073741825 bytes, wanted at most 1073741824 (1 GiB)"},
      {"AlignmentU64", alignment_u64, "at byte 49, key 0 'general.alignment': found type u64, wanted u32"},
      {"AlignmentArray", GgufBuilder().add_array<uint32_t>("general.alignment", 4, {32}).build(),
       "at byte 49, key 0 'general.alignment': found type arr, wanted u32"},
      {"Alignment0", GgufBuilder().add("general.alignment", 0u).build(),
       "at byte 53, key 0 'general.alignment': found 0, wanted a power of two"},
      {"Alignment48", GgufBuilder().add("general.alignment", 48u).build(),
       "at byte 53, key 0 'general.alignment': found 48, wanted a power of two"},
  };
}

std::vector<Refusal> tensor_refusals() {
  constexpr int64_t kHalf = int64_t{1} << 32;
  std::string name64(64, 'n');
  std::string two =
      GgufBuilder().add_tensor("a", TensorType::F32, {8}).add_tensor("b", TensorType::F32, {8}).build();
  GgufBuilder same, same_to_nul;
  same.add_tensor("a", TensorType::F32, {8})
      .add_tensor("b", TensorType::F32, {8})
      .add_tensor("a", TensorType::F32, {8});
  same_to_nul.add_tensor("a", TensorType::F32, {8})
      .add_tensor(std::string_view("a\0b", 3), TensorType::F32, {8});
  std::string shape5 = spliced(one_tensor(0, {1, 1, 1, 1}), 33, bytes_of(5u));
  std::string cut = GgufBuilder().add_tensor("w", TensorType::F32, {8}).build();
  return {
      {"NameTooLong", GgufBuilder().add_tensor(name64, TensorType::F32, {1}).build(),
       "at byte 24, tensor 0 '" + name64 + "': found a name of 64 bytes, wanted at most 63"},
      {"NameDuplicate", same.build(),
       "at byte 90, tensor 2 'a': found the name of tensor 0 again, wanted names that differ"},
      {"NameDuplicateUpToNul", same_to_nul.build(),
       "at byte 57, tensor 1 'a': found the name of tensor 0 again, wanted names that differ"},
      {"FiveDimensions", shape5, "at byte 33, tensor 0 'w': found 5 dimensions, wanted at most 4"},
      {"NegativeDimension", one_tensor(0, {4, -1}),
       "at byte 45, tensor 0 'w': found dimension 1 of -1, wanted 0 or more"},
      {"TooManyValues", one_tensor(0, {kHalf, kHalf, 3}),
       "at byte 37, tensor 0 'w': found shape 4294967296 x 4294967296 x 3, wanted fewer than "
       "9223372036854775807 values"},
      {"ValuesWrapToZero", one_tensor(0, {kHalf, kHalf}),
       "at byte 37, tensor 0 'w': found shape 4294967296 x 4294967296, wanted fewer than 9223372036854775807 "
       "values"},
      {"TooManyBytes", one_tensor(28, {INT64_MAX - 1}),
       "at byte 45, tensor 0 'w': found 9223372036854775806 values of type F64, wanted a size in bytes of at "
       "most 64 bits"},
      {"TypeUnknown", one_tensor(43, {4}),
       "at byte 45, tensor 0 'w': found type 43, wanted a tensor type of llama.cpp v0.5.0"},
      {"TypeRemoved", one_tensor(4, {32}),
       "at byte 45, tensor 0 'w': found type 4, wanted a tensor type of llama.cpp v0.5.0"},
      {"TypeNegative", one_tensor(0xFFFFFFFF, {32}),
       "at byte 45, tensor 0 'w': found type 4294967295, wanted a tensor type of llama.cpp v0.5.0"},
      {"RowNoMultiple", one_tensor(2, {33}),
       "at byte 45, tensor 0 'w': found type Q4_0 with rows of 33 values, wanted rows of a multiple of 32"},
      {"ScalarNoMultiple", one_tensor(2, {}),
       "at byte 37, tensor 0 'w': found type Q4_0 with rows of 1 values, wanted rows of a multiple of 32"},
      {"FirstOffset", spliced(two, 49, bytes_of(uint64_t{32})),
       "at byte 49, tensor 0 'a': found data offset 32, wanted 0, where the tensor before it ends"},
      {"OffsetGap", spliced(two, 82, bytes_of(uint64_t{64})),
       "at byte 82, tensor 1 'b': found data offset 64, wanted 32, where the tensor before it ends"},
      {"OffsetOverlap", spliced(two, 82, bytes_of(uint64_t{0})),
       "at byte 82, tensor 1 'b': found data offset 0, wanted 32, where the tensor before it ends"},
      {"HeaderPaddingCut", cut.substr(0, 60),
       "at byte 57, padding before the tensor data: found 3 bytes to the end of the file, wanted 7"},
      {"DataMissing", cut.substr(0, 64),
       "at byte 64, tensor 0 'w': found 0 bytes of data to the end of the file, wanted 32"},
      {"DataCut", cut.substr(0, 95),
       "at byte 64, tensor 0 'w': found 31 bytes of data to the end of the file, wanted 32"},
  };
}

TEST(GgufFileParse, RefusesWithOffsetFieldFoundAndWanted) {
  for (const std::vector<Refusal>& refusals : {header_refusals(), metadata_refusals(), tensor_refusals()}) {
    for (const Refusal& refusal : refusals) {
      EXPECT_EQ(error_for(refusal.bytes), "f.gguf: " + refusal.message) << refusal.name;
    }
  }
}

TEST(GgufFileParse, RefusesTruncationAtEveryByte) {
  for (uint32_t alignment : {0u, 8u, 64u}) {
    std::string bytes = rich_file(3, alignment).build();
    size_t whole = rich_file(3, alignment).build_unpadded().size();
    for (size_t size = 0; size <= bytes.size(); ++size) {
      // A copy of its own: the sanitizer sees one byte too many.
      std::string prefix = bytes.substr(0, size);
      EXPECT_EQ(error_for(prefix).empty(), size >= whole) << size;
    }
  }
}

TEST(GgufFileParse, SurvivesEveryOneByteChange) {
  GgufBuilder builder = rich_file();
  std::string bytes = builder.build();
  size_t header_bytes = builder.header().size();
  size_t accepted = 0;
  for (size_t place = 0; place < bytes.size(); ++place) {
    std::string changed = bytes;
    for (int change = 1; change < 256; change += place < header_bytes ? 1 : 51) {
      changed[place] = static_cast<char>(bytes[place] ^ change);
      std::string message = error_for(changed);
      if (message.empty()) {
        ++accepted;
      } else {
        ASSERT_TRUE(message.starts_with("f.gguf: at byte ")) << message;
        ASSERT_NE(message.find(": found "), std::string::npos) << message;
        ASSERT_NE(message.find(", wanted "), std::string::npos) << message;
      }
    }
  }
  EXPECT_GT(accepted, bytes.size() - header_bytes);
}

TEST(GgufFileParse, AnswersAMillionKeysAtOnce) {
  GgufBuilder builder;
  for (uint32_t i = 0; i < 1000000; ++i) builder.add_raw(fmt::format("key{}", i), 0, "x");
  std::string bytes = builder.build();
  auto start = std::chrono::steady_clock::now();
  GgufFile file = parse_bytes(bytes);
  for (const MetadataEntry& entry : file.metadata()) ASSERT_EQ(file.find(entry.key), &entry);
  builder.add_raw("key500000", 0, "x");
  EXPECT_NE(error_for(builder.build()).find("found the name of key 500000 again"), std::string::npos);
  // A second or two here; comparing every pair of keys takes most of an hour.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

TEST(GgufFileParse, AnswersManyTensorsAtOnce) {
  GgufBuilder builder;
  for (uint32_t i = 0; i < 200000; ++i) builder.add_tensor(fmt::format("t{}", i), TensorType::F32, {0});
  std::string bytes = builder.build();
  EXPECT_EQ(parse_bytes(bytes).tensors().size(), 200000u);
  builder.add_tensor("t7", TensorType::F32, {0});
  EXPECT_NE(error_for(builder.build()).find("tensor 200000 't7': found the name of tensor 7 again"),
            std::string::npos);
}

TEST(GgufFileOpen, ReadsFromDiskAndNamesTheFile) {
  TestFolder folder;
  std::string bytes = rich_file().build();
  std::string path = folder.write("a.gguf", bytes);
  GgufFile file = GgufFile::open(path);
  EXPECT_EQ(file.path(), path);
  EXPECT_EQ(text_of(file.bytes()), bytes);
  // What it gives out stays valid when it moves.
  const MetadataEntry* entry = file.find("general.architecture");
  GgufFile moved = std::move(file);
  EXPECT_EQ(as_string(*entry), "llama");
  EXPECT_EQ(moved.find("general.architecture"), entry);

  folder.write("bad.gguf", "GGUX");
  EXPECT_EQ(error_of([&] { GgufFile::open(folder.at("bad.gguf")); }),
            folder.at("bad.gguf") + ": at byte 0, magic: found 'GGUX', wanted 'GGUF': this is no GGUF file");
}

TEST(GgufFileOpen, AcceptsArraysOfExactlyTheMostElements) {
  // 2^30 bytes, none of which takes space on the disk.
  TestFolder folder;
  std::string head = one_key(9, bytes_of(uint32_t{0}) + bytes_of(uint64_t{1} << 30));
  std::string path = folder.write("sparse.gguf", head);
  ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(head.size() + (uint64_t{1} << 30))), 0);
  EXPECT_EQ(GgufFile::open(path).metadata()[0].element_count, uint64_t{1} << 30);
}

}  // namespace
}  // namespace fakequant
