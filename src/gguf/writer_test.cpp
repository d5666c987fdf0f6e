#include "gguf/writer.h"

#include <gtest/gtest.h>

#include "gguf/testing.h"

namespace fakequant {
namespace {

using namespace gguf_testing;

std::vector<TensorType> types_of(const GgufFile& file) {
  std::vector<TensorType> types;
  for (const TensorInfo& tensor : file.tensors()) types.push_back(tensor.type);
  return types;
}

// What the caller of write_untouched writes for tensor `index`.
std::string new_data(size_t index, uint64_t size) {
  return std::string(size, static_cast<char>('A' + index));
}

void write_rewritten(PendingFile& output, const FileLayout& layout, const std::vector<bool>& rewritten) {
  for (size_t i = 0; i < rewritten.size(); ++i) {
    if (!rewritten[i]) continue;
    output.write(layout.tensors[i].data_offset, byte_span(new_data(i, layout.tensors[i].data_bytes)));
  }
}

// Every byte of `file` that is neither header nor tensor data is `fill`.
void expect_padding(const GgufFile& file, char fill) {
  uint64_t end = file.data_offset();
  std::string bytes = text_of(file.bytes());
  for (const TensorInfo& tensor : file.tensors()) {
    EXPECT_EQ(bytes.substr(end, tensor.data_offset - end), std::string(tensor.data_offset - end, fill))
        << tensor.name;
    end = tensor.data_offset + tensor.data_bytes;
  }
  EXPECT_EQ(bytes.substr(end), std::string(bytes.size() - end, fill));
}

TEST(WriteUntouched, KeepsEveryByteOutsideTheRewrittenTensors) {
  TestFolder folder;
  std::vector<std::string> inputs;
  for (uint32_t alignment : {0u, 8u, 4096u}) {
    GgufBuilder builder;
    builder.fill_padding('#');
    if (alignment != 0) builder.align(alignment);
    builder.add("general.name", std::string_view("x"));
    for (const char* name : {"a", "b", "c"}) builder.add_tensor(name, TensorType::F32, {5});
    builder.add_tensor("empty", TensorType::F32, {0});
    inputs.push_back(builder.build());
    inputs.push_back(builder.build_unpadded());
    inputs.push_back(builder.build() + "bytes behind the last tensor");
  }
  for (const std::string& bytes : inputs) {
    GgufFile input = GgufFile::open(folder.write("in.gguf", bytes));
    FileLayout layout = plan_layout(input, types_of(input), {});
    EXPECT_TRUE(layout.header_unchanged);
    EXPECT_EQ(layout.size, bytes.size());
    for (unsigned choice = 0; choice < 16; ++choice) {
      std::string expected = bytes;
      std::vector<bool> rewritten;
      for (size_t i = 0; i < 4; ++i) {
        rewritten.push_back((choice >> i & 1) != 0);
        const TensorInfo& tensor = input.tensors()[i];
        if (rewritten[i])
          expected.replace(tensor.data_offset, tensor.data_bytes, new_data(i, tensor.data_bytes));
      }
      PendingFile output = write_untouched(input, layout, rewritten, folder.at("out.gguf"));
      write_rewritten(output, layout, rewritten);
      output.publish(true);
      EXPECT_TRUE(read_file(folder.at("out.gguf")) == expected) << choice;
    }
  }
}

class WriteChanged : public ::testing::TestWithParam<std::pair<uint32_t, uint32_t>> {};

TEST_P(WriteChanged, CarriesEverythingElseOver) {
  auto [version, alignment] = GetParam();
  TestFolder folder;
  GgufBuilder builder = rich_file(version, alignment);
  GgufFile input = GgufFile::open(folder.write("in.gguf", builder.build() + "behind"));
  std::vector<TensorType> types = types_of(input);
  types[0] = TensorType::F32;
  types[2] = TensorType::F16;
  types[4] = TensorType::BF16;  // has no values
  FileLayout layout = plan_layout(input, types, {});
  EXPECT_FALSE(layout.header_unchanged);
  EXPECT_EQ(layout.kept_metadata.size(), 1u);
  std::vector<bool> rewritten = {true, false, true, false, true, false};
  PendingFile pending = write_untouched(input, layout, rewritten, folder.at("out.gguf"));
  write_rewritten(pending, layout, rewritten);
  pending.sync();
  pending.publish(true);

  GgufFile output = GgufFile::open(folder.at("out.gguf"));
  EXPECT_EQ(output.version(), version);
  EXPECT_EQ(output.alignment(), input.alignment());
  EXPECT_EQ(output.size(), layout.size);
  EXPECT_EQ(output.data_offset(), layout.data_offset);
  ASSERT_EQ(output.metadata().size(), input.metadata().size());
  for (size_t i = 0; i < output.metadata().size(); ++i) {
    EXPECT_EQ(text_of(output.metadata()[i].encoded), text_of(input.metadata()[i].encoded));
  }
  ASSERT_EQ(output.tensors().size(), input.tensors().size());
  for (size_t i = 0; i < output.tensors().size(); ++i) {
    const TensorInfo& before = input.tensors()[i];
    const TensorInfo& after = output.tensors()[i];
    EXPECT_EQ(after.name, before.name);
    EXPECT_EQ(after.shape, before.shape);
    EXPECT_EQ(after.type, types[i]);
    EXPECT_EQ(after.data_offset, layout.tensors[i].data_offset);
    EXPECT_EQ(after.data_bytes, layout.tensors[i].data_bytes);
    std::string wanted = rewritten[i] ? new_data(i, after.data_bytes) : text_of(input.data_of(before));
    EXPECT_EQ(text_of(output.data_of(after)), wanted) << after.name;
  }
  expect_padding(output, '\0');
  EXPECT_EQ((output.size() - output.data_offset()) % output.alignment(), 0u);
}

INSTANTIATE_TEST_SUITE_P(All, WriteChanged,
                         ::testing::Values(std::pair(3, 0), std::pair(2, 0), std::pair(3, 8),
                                           std::pair(3, 64), std::pair(2, 4096)));

TEST(PlanLayout, AppendsStampsAndReplacesEqualKeys) {
  TestFolder folder;
  std::string bytes = GgufBuilder()
                          .add("first", 1u)
                          .add("fakequant.old", std::string_view("old"))
                          .add("middle", 2u)
                          .add(std::string_view("fakequant.old\0hidden", 20), 3u)
                          .add("last", 3u)
                          .fill_padding('#')
                          .add_tensor("w", TensorType::F32, {3})
                          .build();
  GgufFile input = GgufFile::open(folder.write("in.gguf", bytes));
  FileLayout layout = plan_layout(input, types_of(input), {{"fakequant.old", "new"}, {"fakequant.more", ""}});
  EXPECT_EQ(layout.kept_metadata.size(), 3u);
  write_untouched(input, layout, {false}, folder.at("out.gguf")).publish(true);

  GgufFile output = GgufFile::open(folder.at("out.gguf"));
  std::vector<std::string> keys;
  for (const MetadataEntry& entry : output.metadata()) keys.emplace_back(entry.key);
  EXPECT_EQ(keys, (std::vector<std::string>{"first", "middle", "last", "fakequant.old", "fakequant.more"}));
  EXPECT_EQ(as_string(*output.find("fakequant.old")), "new");
  EXPECT_EQ(as_string(*output.find("fakequant.more")), "");
  EXPECT_EQ(text_of(output.data_of(output.tensors()[0])), text_of(input.data_of(input.tensors()[0])));
  expect_padding(output, '\0');
}

TEST(PlanLayout, StampsAFileWithoutTensors) {
  TestFolder folder;
  GgufFile input = GgufFile::open(folder.write("in.gguf", GgufBuilder().add("key", 1u).build()));
  FileLayout layout = plan_layout(input, {}, {{"fakequant.key", "value"}});
  write_untouched(input, layout, {}, folder.at("out.gguf")).publish(true);
  GgufFile output = GgufFile::open(folder.at("out.gguf"));
  EXPECT_EQ(output.metadata().size(), 2u);
  EXPECT_EQ(output.data_offset(), layout.data_offset);
  EXPECT_EQ(output.size(), layout.size);
}

TEST(PlanLayout, RefusesRowsThatDoNotDivideIntoBlocks) {
  std::string bytes = GgufBuilder().add_tensor("blk.0.w", TensorType::F32, {40, 2}).build();
  GgufFile input = parse_bytes(bytes);
  std::vector<TensorType> types = {TensorType::Q4_0};
  EXPECT_EQ(error_of([&] { plan_layout(input, types, {}); }),
            "f.gguf: tensor 'blk.0.w': found rows of 40 values, wanted a multiple of 32 to store it as Q4_0");
}

TEST(WriteUntouched, LeavesNothingBehindWhenTheInputShrank) {
  TestFolder folder;
  std::string path = folder.write("in.gguf", rich_file().build());
  GgufFile input = GgufFile::open(path);
  FileLayout layout = plan_layout(input, types_of(input), {});
  std::filesystem::resize_file(path, input.size() - 40);
  std::string message =
      error_of([&] { write_untouched(input, layout, std::vector<bool>(6, false), folder.at("out.gguf")); });
  EXPECT_TRUE(message.starts_with(path + ": found ")) << message;
  EXPECT_EQ(folder.names(), std::vector<std::string>{"in.gguf"});
}

}  // namespace
}  // namespace fakequant
