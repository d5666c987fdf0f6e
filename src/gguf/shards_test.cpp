#include "gguf/shards.h"

#include <gtest/gtest.h>

#include "gguf/testing.h"

namespace fakequant {
namespace {

using namespace gguf_testing;

GgufBuilder part(uint16_t number, uint16_t count, int32_t tensor_count) {
  GgufBuilder builder;
  if (number == 1) builder.add("general.architecture", std::string_view("llama"));
  builder.add("split.no", static_cast<uint16_t>(number - 1)).add("split.count", count);
  return builder.add("split.tensors.count", tensor_count);
}

std::string part_name(int number, int count) {
  return fmt::format("m-{:05}-of-{:05}.gguf", number, count);
}

// A model of three parts: metadata alone, two tensors, one tensor.
void write_three(const TestFolder& folder) {
  folder.write(part_name(1, 3), part(1, 3, 3).build());
  folder.write(
      part_name(2, 3),
      part(2, 3, 3).add_tensor("b", TensorType::F32, {4}).add_tensor("c", TensorType::F16, {4}).build());
  folder.write(part_name(3, 3), part(3, 3, 3).add_tensor("a", TensorType::F32, {2}).build());
}

std::string error_for(const std::string& path) {
  return error_of([&] { Model::open(path); });
}

TEST(ModelOpen, FindsAllPartsFromAnyOfThem) {
  TestFolder folder;
  write_three(folder);
  for (int given = 1; given <= 3; ++given) {
    Model model = Model::open(folder.at(part_name(given, 3)));
    EXPECT_EQ(model.path(), folder.at(part_name(given, 3)));
    ASSERT_EQ(model.shards().size(), 3u);
    EXPECT_EQ(model.shards()[0].path(), folder.at(part_name(1, 3)));
    EXPECT_EQ(model.architecture(), "llama");
    ASSERT_EQ(model.tensors().size(), 3u);
    EXPECT_EQ(model.tensors()[0].info->name, "b");
    EXPECT_EQ(model.tensors()[2].info->name, "a");
    EXPECT_EQ(model.tensors()[2].shard_index, 2u);
    EXPECT_EQ(model.find("a"), model.tensors()[2].info);
    EXPECT_EQ(model.find("c"), model.tensors()[1].info);
    EXPECT_EQ(model.find("d"), nullptr);
    EXPECT_EQ(model.data_of(model.tensors()[2]).data(), model.shards()[2].data_of(*model.find("a")).data());
    uint64_t total = 0;
    for (const GgufFile& shard : model.shards()) total += shard.size();
    EXPECT_EQ(model.total_bytes(), total);
  }
}

TEST(ModelOpen, ReadsASingleFile) {
  TestFolder folder;
  std::string path = folder.write("m.gguf", rich_file().build());
  Model model = Model::open(path);
  EXPECT_EQ(model.shards().size(), 1u);
  EXPECT_EQ(model.tensors().size(), 6u);
  EXPECT_EQ(model.find("scalar")->name, "scalar");
  EXPECT_EQ(Model::open(folder.write("none.gguf", GgufBuilder().build())).architecture(), "");
  // An architecture that is no text is none.
  EXPECT_EQ(Model::open(folder.write("u.gguf", GgufBuilder().add("general.architecture", 1u).build()))
                .architecture(),
            "");
}

TEST(ModelOpen, TakesANameWithTheEndingButNoSplitMetadataAsASingleFile) {
  TestFolder folder;
  EXPECT_EQ(Model::open(folder.write(part_name(2, 3), rich_file().build())).shards().size(), 1u);
  // What merging leaves behind.
  std::string merged = GgufBuilder().add("split.count", uint16_t{0}).build();
  EXPECT_EQ(Model::open(folder.write(part_name(1, 4), merged)).shards().size(), 1u);
  EXPECT_EQ(Model::open(folder.write("merged.gguf", merged)).shards().size(), 1u);
  EXPECT_EQ(Model::open(folder.write("one.gguf", part(1, 1, 0).build())).shards().size(), 1u);
  EXPECT_EQ(Model::open(folder.write(part_name(1, 1), part(1, 1, 0).build())).shards().size(), 1u);
}

TEST(ModelOpen, NamesTheMissingPart) {
  TestFolder folder;
  write_three(folder);
  std::filesystem::remove(folder.at(part_name(2, 3)));
  EXPECT_EQ(error_for(folder.at(part_name(3, 3))),
            folder.at(part_name(2, 3)) +
                ": cannot be opened for reading: No such file or directory (part 2 of 3 of a split model)");
}

TEST(ModelOpen, SaysWhatNameAPartNeeds) {
  TestFolder folder;
  std::string path = folder.write("renamed.gguf", part(2, 3, 0).build());
  EXPECT_EQ(error_for(path),
            path +
                ": its metadata says that it is one of 3 parts; found no part number in its name, "
                "wanted NAME-00002-of-00003.gguf");
}

TEST(ModelOpen, RefusesPartsThatDoNotBelong) {
  TestFolder folder;
  std::string second = folder.at(part_name(2, 3));
  auto error_with_second = [&](const GgufBuilder& builder) {
    write_three(folder);
    folder.write(part_name(2, 3), builder.build());
    return error_for(folder.at(part_name(1, 3)));
  };
  EXPECT_EQ(
      error_with_second(part(3, 3, 3)),
      second + ": at byte 24, key 'split.no': found 2, wanted 1 as its name says (parts count from 0 there)");
  EXPECT_EQ(error_with_second(part(2, 4, 3)),
            second + ": at byte 46, key 'split.count': found 4, wanted 3 as its name says");
  EXPECT_EQ(error_with_second(GgufBuilder()),
            second + ": found no key 'split.count', wanted 3 as its name says");
  EXPECT_EQ(error_with_second(GgufBuilder().add("split.count", uint16_t{3})),
            second + ": found no key 'split.no', wanted 1 as its name says (parts count from 0 there)");
  EXPECT_EQ(error_with_second(part(2, 3, 3).add_tensor("b", TensorType::F32, {4})),
            folder.at(part_name(1, 3)) +
                ": at byte 116, key 'split.tensors.count': found 3, wanted 2 tensors, as all parts "
                "together hold");
  EXPECT_EQ(error_with_second(
                part(2, 3, 3).add_tensor("b", TensorType::F32, {4}).add_tensor("a", TensorType::F32, {4})),
            folder.at(part_name(3, 3)) + ": at byte 106, tensor 'a': found the name of a tensor of " +
                second + ", wanted names that differ in all parts");
  EXPECT_EQ(error_with_second(GgufBuilder().add("split.count", std::string_view("3"))),
            second + ": at byte 24, key 'split.count': found str \"3\", wanted a whole number");
  EXPECT_EQ(error_with_second(GgufBuilder().add("split.count", int32_t{-3})),
            second + ": at byte 24, key 'split.count': found i32 -3, wanted a whole number");
}

TEST(ModelOpen, RefusesMoreThan65535Parts) {
  TestFolder folder;
  std::string path = folder.write("m.gguf", GgufBuilder().add("split.count", 65536u).build());
  EXPECT_EQ(error_for(path), path + ": at byte 24, key 'split.count': found 65536, wanted at most 65535");
}

TEST(ShardNames, GivesAllPartsInOrder) {
  EXPECT_EQ(shard_names("dir/a-00002-of-00003.gguf"),
            (std::vector<std::string>{"dir/a-00001-of-00003.gguf", "dir/a-00002-of-00003.gguf",
                                      "dir/a-00003-of-00003.gguf"}));
  EXPECT_EQ(shard_names("-00001-of-00001.gguf").size(), 1u);
  EXPECT_EQ(shard_names("a-65535-of-65535.gguf").back(), "a-65535-of-65535.gguf");
}

TEST(ShardNames, GivesOtherNamesThemselves) {
  for (const char* name :
       {"", "a.gguf", "a-00000-of-00003.gguf", "a-00004-of-00003.gguf", "a-00000-of-00000.gguf",
        "a-0001-of-0003.gguf", "a-00001-of-00003.bin", "a-00001_of-00003.gguf", "a-0000x-of-00003.gguf",
        "a-00001-of-65536.gguf", "a-00001-of-00003.gguf.part"}) {
    EXPECT_EQ(shard_names(name), std::vector<std::string>{name});
  }
}

TEST(ShardOutputNames, NumbersTheParts) {
  EXPECT_EQ(shard_output_names("out.gguf", 1), std::vector<std::string>{"out.gguf"});
  EXPECT_EQ(shard_output_names("out.gguf", 2),
            (std::vector<std::string>{"out-00001-of-00002.gguf", "out-00002-of-00002.gguf"}));
  EXPECT_EQ(shard_output_names("out", 2)[1], "out-00002-of-00002.gguf");
  EXPECT_EQ(shard_output_names("x-00002-of-00002.gguf", 2), shard_names("x-00001-of-00002.gguf"));
  EXPECT_EQ(error_of([] { shard_output_names("x-00001-of-00003.gguf", 2); }),
            "x-00001-of-00003.gguf: found a name for one of 3 parts, wanted one for 2 "
            "(NAME-00001-of-00002.gguf or NAME.gguf)");
  EXPECT_NE(error_of([] { shard_output_names("x-00001-of-00003.gguf", 1); }), "");
}

}  // namespace
}  // namespace fakequant
