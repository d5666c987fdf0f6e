// Models loaded from virtual files against the same models loaded from real ones.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "gguf/testing.h"
#include "rounded_model.h"

namespace fakequant {
namespace {

using namespace reference_testing;
using gguf_testing::error_of;
using gguf_testing::read_file;
using gguf_testing::TestFolder;

const std::string kDemo = std::string(FAKEQUANT_SOURCE_DIR) + "/data/demo-4.6m-f16.gguf";
constexpr int kContext = 128;
constexpr auto kLoaded = LoadedModel::Weights::loaded;
constexpr auto kPlanned = LoadedModel::Weights::planned;

std::string read_all(VirtualFile& file, size_t step) {
  std::string bytes(file.size(), '?');
  std::span<std::byte> rest = std::as_writable_bytes(std::span(bytes));
  for (size_t done = 0; done < rest.size(); done += step) {
    std::span<std::byte> piece = rest.subspan(done, std::min(step, rest.size() - done));
    EXPECT_EQ(file.read(done, piece), piece.size());
  }
  return bytes;
}

// The demo model in three files; the path of the second one.
std::string split_demo(const TestFolder& folder) {
  std::string command =
      fmt::format("'{}/llama-gguf-split' --split --split-max-tensors 20 '{}' '{}' > '{}' 2>&1",
                  FAKEQUANT_LLAMA_BIN, kDemo, folder.at("part"), folder.at("log"));
  EXPECT_EQ(std::system(command.c_str()), 0) << read_file(folder.at("log"));
  return folder.at("part-00002-of-00003.gguf");
}

TEST(VirtualModel, HasTheBytesOfTheWrittenFileAndGivesItsLogits) {
  struct Case {
    const char* format;
    Store store;
  };
  for (auto [format, store] : {Case{"f32", Store::f32}, Case{"int4:group=32", Store::f32},
                               Case{"e4m3", Store::keep}, Case{"bf16", Store::automatic}}) {
    TestFolder folder;
    RoundedModel rounded(kDemo, format, store);
    rounded.write(folder.at("written.gguf"));
    VirtualFile file = rounded.virtual_file();
    std::string written = read_file(folder.at("written.gguf"));
    for (size_t step : {999'983, 77'777}) EXPECT_TRUE(read_all(file, step) == written) << format;
    LoadedModel of_file = LoadedModel::load({folder.at("written.gguf")}, {}, kLoaded);
    LoadedModel of_virtual = LoadedModel::load(file, {}, kLoaded);
    EXPECT_TRUE(same_bits(chunk_logits(of_virtual, kContext), chunk_logits(of_file, kContext))) << format;
    LoadedModel unrounded = LoadedModel::load({kDemo}, {}, kLoaded);
    EXPECT_FALSE(same_bits(chunk_logits(of_virtual, kContext), chunk_logits(unrounded, kContext))) << format;
  }
}

TEST(VirtualModel, OfASplitModelGivesItsLogits) {
  TestFolder folder;
  std::string path = split_demo(folder);
  Model model = Model::open(path);
  ASSERT_EQ(model.shards().size(), 3u);
  std::vector<TensorType> types;
  for (const Model::Located& tensor : model.tensors()) types.push_back(tensor.info->type);
  VirtualFile unchanged(model, types, std::vector<bool>(types.size()), {});
  LoadedModel parts = LoadedModel::load(model.paths(), {}, kLoaded);
  std::vector<float> logits = chunk_logits(parts, kContext);
  EXPECT_TRUE(same_bits(chunk_logits(LoadedModel::load(unchanged, {}, kLoaded), kContext), logits));

  RoundedModel of_parts(path, "e4m3", Store::f32);
  RoundedModel of_whole(kDemo, "e4m3", Store::f32);
  VirtualFile file_of_parts = of_parts.virtual_file();
  VirtualFile file_of_whole = of_whole.virtual_file();
  logits = chunk_logits(LoadedModel::load(file_of_whole, {}, kLoaded), kContext);
  EXPECT_TRUE(same_bits(chunk_logits(LoadedModel::load(file_of_parts, {}, kLoaded), kContext), logits));
}

TEST(VirtualModel, IsPlannedWithoutMakingATensor) {
  RoundedModel rounded(kDemo, "f32", Store::f32);
  VirtualFile file = rounded.virtual_file();
  LoadedModel planned = LoadedModel::load(file, {}, kPlanned);
  EXPECT_EQ(rounded.made_count(), 0u);
  EXPECT_EQ(planned.path(), kDemo);
  EXPECT_EQ(planned.training_context(), 256);
  planned.require_text_model();
  LoadedModel loaded = LoadedModel::load(file, {}, kLoaded);
  EXPECT_EQ(rounded.made_count(), rounded.plan().tensors.size());  // each once
  EXPECT_EQ(planned.tokenize("tree: a tall"), loaded.tokenize("tree: a tall"));
  DecodeOptions options;
  options.context = kContext;
  ChunkDecoder::Memory before = ChunkDecoder(planned, options).memory();
  ChunkDecoder::Memory after = ChunkDecoder(loaded, options).memory();
  EXPECT_EQ(before.weights, after.weights);
  EXPECT_EQ(before.working, after.working);
  EXPECT_GT(after.weights, 17'000'000u);  // twice the F16 file
}

TEST(VirtualModel, ThatCannotBeMadeIsRefusedWithTheReason) {
  Model model = Model::open(kDemo);
  std::vector<TensorType> types;
  for (const Model::Located& tensor : model.tensors()) types.push_back(tensor.info->type);
  std::vector<bool> made(types.size(), true);
  VirtualFile file(model, types, made, [](size_t index) -> std::vector<std::byte> {
    throw Error("tensor {} cannot be made", index);
  });
  std::string error = error_of([&] { LoadedModel::load(file, {}, kLoaded); });
  EXPECT_TRUE(error.starts_with("tensor ") && error.ends_with(" cannot be made")) << error;
}

}  // namespace
}  // namespace fakequant
