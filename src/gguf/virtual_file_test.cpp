#include "gguf/virtual_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "gguf/testing.h"

namespace fakequant {
namespace {

using namespace gguf_testing;

std::vector<TensorType> types_of(const Model& model) {
  std::vector<TensorType> types;
  for (const Model::Located& tensor : model.tensors()) types.push_back(tensor.info->type);
  return types;
}

// Bytes that differ from place to place and from tensor to tensor.
std::vector<std::byte> new_data(size_t index, uint64_t bytes) {
  std::vector<std::byte> data(bytes);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 41 + index * 7 + 3);
  return data;
}

// A model with some of its tensors made by new_data, and a record of which were made when.
struct Fixture {
  Fixture(const std::string& path, const std::vector<size_t>& changed, TensorType type)
      : model(Model::open(path)), types(types_of(model)), made(types.size()) {
    for (size_t i : changed) {
      made[i] = true;
      types[i] = type;
    }
    layout = plan_merged_layout(model, types);
  }

  VirtualFile file() {
    return VirtualFile(model, types, made, [this](size_t index) {
      EXPECT_TRUE(made[index]);
      order.push_back(index);
      return new_data(index, layout.tensors[index].data_bytes);
    });
  }
  uint64_t start(size_t index) const { return layout.tensors[index].data_offset; }

  Model model;
  std::vector<TensorType> types;
  std::vector<bool> made;
  FileLayout layout;
  std::vector<size_t> order;
};

std::string read_all(VirtualFile& file, size_t step) {
  std::string bytes;
  std::vector<std::byte> piece(step);
  while (size_t count = file.read(bytes.size(), piece)) bytes += text_of(std::span(piece).first(count));
  return bytes;
}

// The same model as a real file, by the writer.
std::string written(const Fixture& f, const TestFolder& folder) {
  std::string path = folder.at("written.gguf");
  {
    PendingFile output = write_untouched(f.model.shards()[0], f.layout, f.made, path);
    for (size_t i = 0; i < f.made.size(); ++i) {
      if (f.made[i])
        output.write(f.layout.tensors[i].data_offset, new_data(i, f.layout.tensors[i].data_bytes));
    }
    output.publish(true);
  }
  return read_file(path);
}

void expect_same_bytes(Fixture& f, const std::string& wanted) {
  VirtualFile file = f.file();
  ASSERT_EQ(file.size(), wanted.size());
  for (size_t step : {1u, 7u, 64u, 129u, 1u << 20}) EXPECT_TRUE(read_all(file, step) == wanted) << step;
  std::mt19937 random(5);
  std::vector<std::byte> piece(331);
  for (int i = 0; i < 500; ++i) {
    size_t offset = random() % (wanted.size() + 10);
    auto target = std::span(piece).first(random() % (piece.size() + 1));
    size_t count = file.read(offset, target);
    std::string expected = offset < wanted.size() ? wanted.substr(offset, target.size()) : "";
    EXPECT_EQ(text_of(target.first(count)), expected) << offset << ' ' << target.size();
  }
}

TEST(VirtualFile, HasTheBytesOfTheWrittenFileWhenTypesChange) {
  for (uint32_t alignment : {0u, 8u, 4096u}) {
    TestFolder folder;
    std::string input = folder.write("in.gguf", rich_file(3, alignment).fill_padding('#').build() + "behind");
    Fixture f(input, {0, 2, 4}, TensorType::F32);
    std::string wanted = written(f, folder);
    expect_same_bytes(f, wanted);
  }
}

TEST(VirtualFile, HasTheBytesOfTheWrittenFileWhenNoTypeChanges) {
  for (bool padded : {false, true}) {
    TestFolder folder;
    GgufBuilder builder;
    builder.fill_padding('#').add("general.name", std::string_view("x"));
    for (const char* name : {"a", "b", "c"}) builder.add_tensor(name, TensorType::F32, {5});
    std::string input =
        folder.write("in.gguf", padded ? builder.build() + "behind" : builder.build_unpadded());
    Fixture f(input, {1}, TensorType::F32);
    expect_same_bytes(f, written(f, folder));
    Fixture same(input, {}, TensorType::F32);
    expect_same_bytes(same, read_file(input));
  }
}

TEST(VirtualFile, MergesThePartsOfASplitModel) {
  TestFolder folder;
  auto part = [](uint16_t number) {
    return GgufBuilder()
        .align(number == 0 ? 64 : 8)
        .add("split.no", number)
        .add("first", uint32_t{7} + number)
        .add("split.count", uint16_t{3})
        .add("split.tensors.count", int32_t{4})
        .add("last", std::string_view("kept"));
  };
  folder.write("m-00001-of-00003.gguf", part(0).add_tensor("a", TensorType::F16, {6}).build());
  folder.write(
      "m-00002-of-00003.gguf",
      part(1).add_tensor("b", TensorType::Q8_0, {32, 3}).add_tensor("c", TensorType::F16, {5, 3}).build());
  folder.write("m-00003-of-00003.gguf", part(2).add_tensor("d", TensorType::F32, {3}).build_unpadded());
  Fixture f(folder.at("m-00002-of-00003.gguf"), {0, 2}, TensorType::F32);
  VirtualFile file = f.file();
  EXPECT_EQ(file.path(), folder.at("m-00002-of-00003.gguf"));
  std::string bytes = read_all(file, 37);
  expect_same_bytes(f, bytes);

  GgufFile merged = parse_bytes(bytes);
  EXPECT_EQ(merged.alignment(), 64u);
  std::vector<std::string> keys;
  for (const MetadataEntry& entry : merged.metadata()) keys.emplace_back(entry.key);
  EXPECT_EQ(keys, (std::vector<std::string>{"general.alignment", "first", "last"}));
  EXPECT_EQ(as_unsigned(*merged.find("first")), 7u);
  ASSERT_EQ(merged.tensors().size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    const TensorInfo& tensor = merged.tensors()[i];
    const Model::Located& source = f.model.tensors()[i];
    EXPECT_EQ(tensor.name, source.info->name);
    EXPECT_EQ(tensor.shape, source.info->shape);
    EXPECT_EQ(tensor.type, f.types[i]);
    EXPECT_EQ(tensor.data_offset % 64, 0u);
    std::string wanted =
        f.made[i] ? text_of(new_data(i, tensor.data_bytes)) : text_of(f.model.data_of(source));
    EXPECT_EQ(text_of(merged.data_of(tensor)), wanted) << tensor.name;
  }
  EXPECT_EQ(bytes.size() % 64, 0u);
}

TEST(VirtualFile, MakesATensorOnceHoweverItIsReadUntilAnother) {
  TestFolder folder;
  Fixture f(folder.write("in.gguf", rich_file().build()), {1, 2, 5}, TensorType::F32);
  VirtualFile file = f.file();
  read_all(file, 1);
  EXPECT_EQ(f.order, (std::vector<size_t>{1, 2, 5}));
  std::vector<std::byte> byte(1);
  for (size_t index : {5, 5, 1, 1, 5}) file.read(f.start(index) + 2, byte);
  EXPECT_EQ(f.order, (std::vector<size_t>{1, 2, 5, 1, 5}));
}

TEST(VirtualFileStream, ReadsWhatTheFileHoldsAndMakesNoNeighbours) {
  TestFolder folder;
  Fixture f(folder.write("in.gguf", rich_file().build()), {0, 1, 2, 5}, TensorType::F32);
  VirtualFile file = f.file();
  std::string wanted = read_all(file, 1000);
  f.order.clear();
  VirtualFile::Stream stream = file.open_stream();
  ASSERT_EQ(fseeko(stream.get(), 0, SEEK_END), 0);
  EXPECT_EQ(static_cast<uint64_t>(ftello(stream.get())), file.size());
  char end;
  EXPECT_EQ(fread(&end, 1, 1, stream.get()), 0u);
  EXPECT_NE(feof(stream.get()), 0);
  for (size_t index : {2, 0, 5}) {
    auto start = static_cast<off_t>(f.start(index));
    uint64_t bytes = f.layout.tensors[index].data_bytes;
    ASSERT_EQ(fseeko(stream.get(), start, SEEK_SET), 0);
    std::string read(bytes, '?');
    EXPECT_EQ(fread(read.data(), 1, 3, stream.get()), 3u);
    ASSERT_EQ(fseeko(stream.get(), -3, SEEK_CUR), 0);
    EXPECT_EQ(ftello(stream.get()), start);
    EXPECT_EQ(fread(read.data(), bytes, 1, stream.get()), 1u);
    EXPECT_EQ(ftello(stream.get()), start + static_cast<off_t>(bytes));
    EXPECT_TRUE(read == wanted.substr(f.start(index), bytes)) << index;
  }
  EXPECT_EQ(f.order, (std::vector<size_t>{2, 0, 5}));
  EXPECT_NE(fseeko(stream.get(), -1, SEEK_SET), 0);
  file.rethrow_error();  // there is none
}

// Tensors larger than the stream's buffer, whose places are multiples of nothing.
TEST(VirtualFileStream, SeeksAndReadsLargeTensorsFromAnyPlace) {
  TestFolder folder;
  GgufBuilder builder;
  for (const char* name : {"a", "b", "c", "d"}) builder.add_tensor(name, TensorType::F32, {200'003});
  Fixture f(folder.write("in.gguf", builder.build()), {0, 1, 3}, TensorType::F32);
  VirtualFile file = f.file();
  std::string wanted = read_all(file, 1 << 20);
  f.order.clear();
  VirtualFile::Stream stream = file.open_stream();
  std::string read(wanted.size(), '?');
  for (size_t index : {1, 0, 3, 2, 1}) {
    size_t bytes = f.layout.tensors[index].data_bytes;
    ASSERT_EQ(fseeko(stream.get(), static_cast<off_t>(f.start(index)), SEEK_SET), 0);
    ASSERT_EQ(fread(read.data(), bytes, 1, stream.get()), 1u);
    EXPECT_TRUE(read.compare(0, bytes, wanted, f.start(index), bytes) == 0) << index;
  }
  EXPECT_EQ(f.order, (std::vector<size_t>{1, 0, 3, 1}));
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    size_t place = random() % wanted.size();
    if (i % 3 == 0) place &= ~size_t{0x3FFFF};
    size_t bytes = std::min<size_t>(random() % 700'000, wanted.size() - place);
    ASSERT_EQ(fseeko(stream.get(), static_cast<off_t>(place), SEEK_SET), 0);
    ASSERT_EQ(fread(read.data(), 1, bytes, stream.get()), bytes);
    EXPECT_TRUE(read.compare(0, bytes, wanted, place, bytes) == 0) << place << ' ' << bytes;
    EXPECT_EQ(static_cast<size_t>(ftello(stream.get())), place + bytes);
  }
}

// Without a buffer glibc calls for every byte: minutes for these 16 MiB, milliseconds with one.
TEST(VirtualFileStream, IsNotReadByteByByte) {
  TestFolder folder;
  std::string path =
      folder.write("in.gguf", GgufBuilder().add_tensor("a", TensorType::F32, {1 << 22}).build());
  Fixture f(path, {}, TensorType::F32);
  VirtualFile file = f.file();
  VirtualFile::Stream stream = file.open_stream();
  std::string read(file.size(), '?');
  auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(fread(read.data(), read.size(), 1, stream.get()), 1u);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  EXPECT_TRUE(read == read_file(path));
}

TEST(VirtualFileStream, ClosedLeavesNoMadeTensorBehind) {
  TestFolder folder;
  Fixture f(folder.write("in.gguf", rich_file().build()), {1}, TensorType::F32);
  VirtualFile file = f.file();
  std::vector<std::byte> byte(1);
  file.read(f.start(1), byte);
  file.open_stream().reset();
  file.read(f.start(1), byte);
  EXPECT_EQ(f.order, (std::vector<size_t>{1, 1}));
}

TEST(VirtualFileStream, FailsWhereATensorCannotBeMadeAndTellsWhyOnce) {
  TestFolder folder;
  Model model = Model::open(folder.write("in.gguf", rich_file().build()));
  std::vector<bool> made(model.tensors().size());
  made[3] = true;
  VirtualFile file(model, types_of(model), made,
                   [](size_t index) -> std::vector<std::byte> { throw Error("no tensor {}", index); });
  uint64_t start = model.tensors()[3].info->data_offset;
  VirtualFile::Stream stream = file.open_stream();
  std::string read(start, '?');
  EXPECT_EQ(fread(read.data(), 1, start, stream.get()), start);
  char byte;
  EXPECT_EQ(fread(&byte, 1, 1, stream.get()), 0u);
  EXPECT_NE(ferror(stream.get()), 0);
  stream.reset();
  EXPECT_EQ(error_of([&] { file.rethrow_error(); }), "no tensor 3");
  file.rethrow_error();
}

TEST(VirtualFileStream, FailsWhereAFileOfTheModelBecameShorter) {
  TestFolder folder;
  std::string path = folder.write("in.gguf", rich_file().build());
  Model model = Model::open(path);
  VirtualFile file(model, types_of(model), std::vector<bool>(model.tensors().size()), {});
  std::filesystem::resize_file(path, file.size() - 40);
  VirtualFile::Stream stream = file.open_stream();
  std::string read(file.size(), '?');
  EXPECT_LT(fread(read.data(), 1, read.size(), stream.get()), read.size());
  EXPECT_NE(error_of([&] { file.rethrow_error(); }).find("became shorter"), std::string::npos);
}

}  // namespace
}  // namespace fakequant
