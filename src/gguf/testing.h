#pragma once
// For tests and fuzz targets only: builds the bytes of small GGUF files without using our reader or writer,
// and walks everything a parsed file offers. Needs no test framework.

#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "gguf/reader.h"
#include "gguf/writer.h"

namespace fakequant::gguf_testing {

// Bytes are kept in strings: they splice and compare well.
template <typename T>
std::string bytes_of(T value) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::string result(sizeof value, '\0');
  std::memcpy(result.data(), &value, sizeof value);
  return result;
}

inline std::string string_bytes(std::string_view text) {
  return bytes_of(uint64_t{text.size()}) + std::string(text);
}

template <typename T>
std::string array_bytes(const std::vector<T>& values) {
  std::string result;
  for (const T& value : values) {
    if constexpr (std::is_convertible_v<T, std::string_view>) {
      result += string_bytes(value);
    } else {
      result += bytes_of(value);
    }
  }
  return result;
}

class GgufBuilder {
 public:
  explicit GgufBuilder(uint32_t version = 3) : version_(version) {}

  // One pair with its value's bytes as they shall stand in the file.
  GgufBuilder& add_raw(std::string_view key, uint32_t type, const std::string& value) {
    metadata_ += string_bytes(key) + bytes_of(type) + value;
    ++pair_count_;
    return *this;
  }
  GgufBuilder& add(std::string_view key, uint32_t value) { return add_raw(key, 4, bytes_of(value)); }
  GgufBuilder& add(std::string_view key, uint16_t value) { return add_raw(key, 2, bytes_of(value)); }
  GgufBuilder& add(std::string_view key, int32_t value) { return add_raw(key, 5, bytes_of(value)); }
  GgufBuilder& add(std::string_view key, std::string_view value) {
    return add_raw(key, 8, string_bytes(value));
  }
  template <typename T>
  GgufBuilder& add_array(std::string_view key, uint32_t element_type, const std::vector<T>& values) {
    return add_raw(key, 9, bytes_of(element_type) + bytes_of(uint64_t{values.size()}) + array_bytes(values));
  }

  // Sets general.alignment, too.
  GgufBuilder& align(uint32_t alignment) {
    alignment_ = alignment;
    return add("general.alignment", alignment);
  }

  // `type` and shape as they shall stand in the file, right or wrong; the data is taken as it is.
  GgufBuilder& add_tensor(std::string_view name, uint32_t type, const std::vector<int64_t>& shape,
                          const std::string& data) {
    std::string entry =
        string_bytes(name) + bytes_of(static_cast<uint32_t>(shape.size())) + array_bytes(shape);
    table_ += entry + bytes_of(type) + bytes_of(uint64_t{data_.size()});
    data_bytes_ = data_.size() + data.size();
    data_ += data;
    pad(data_);
    ++tensor_count_;
    return *this;
  }
  // A valid tensor whose bytes differ from place to place and from tensor to tensor.
  GgufBuilder& add_tensor(std::string_view name, TensorType type, const std::vector<int64_t>& shape) {
    int64_t count = 1;
    for (int64_t size : shape) count *= size;
    const TypeFacts& facts = facts_of(type);
    std::string data(static_cast<size_t>(count) / facts.block_values * facts.block_bytes, '\0');
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 37 + tensor_count_ * 11 + 1);
    return add_tensor(name, static_cast<uint32_t>(type), shape, data);
  }

  // What stands in padding; zero unless a test wants to see it kept.
  GgufBuilder& fill_padding(char fill) {
    fill_ = fill;
    return *this;
  }

  // The bytes before the data, their padding included.
  std::string header() const {
    std::string result =
        "GGUF" + bytes_of(version_) + bytes_of(tensor_count_) + bytes_of(pair_count_) + metadata_ + table_;
    if (tensor_count_ > 0) pad(result);
    return result;
  }
  std::string build() const { return header() + data_; }
  // Without the padding of the last tensor, as some writers leave it.
  std::string build_unpadded() const { return header() + data_.substr(0, data_bytes_); }

 private:
  void pad(std::string& bytes) const {
    bytes.resize((bytes.size() + alignment_ - 1) / alignment_ * alignment_, fill_);
  }

  uint32_t version_;
  uint64_t alignment_ = 32;
  uint64_t pair_count_ = 0;
  uint64_t tensor_count_ = 0;
  char fill_ = '\0';
  std::string metadata_;
  std::string table_;
  std::string data_;
  size_t data_bytes_ = 0;  // without the last tensor's padding
};

// A small file with every metadata type, arrays of every type, and tensors of several types and numbers of
// dimensions.
inline GgufBuilder rich_file(uint32_t version = 3, uint32_t alignment = 0) {
  GgufBuilder builder(version);
  if (alignment != 0) builder.align(alignment);
  builder.add("general.architecture", std::string_view("llama"));
  builder.add_raw("t.u8", 0, bytes_of(uint8_t{200})).add_raw("t.i8", 1, bytes_of(int8_t{-3}));
  builder.add("t.u16", uint16_t{60000}).add_raw("t.i16", 3, bytes_of(int16_t{-300}));
  builder.add("t.u32", uint32_t{4000000000}).add("t.i32", int32_t{-70000});
  builder.add_raw("t.f32", 6, bytes_of(1.5f)).add_raw("t.bool", 7, bytes_of(uint8_t{2}));
  builder.add_raw("t.u64", 10, bytes_of(uint64_t{1} << 63)).add_raw("t.i64", 11, bytes_of(int64_t{-1}));
  builder.add_raw("t.f64", 12, bytes_of(0.1));
  builder.add_array<uint8_t>("a.u8", 0, {1, 2, 3}).add_array<int8_t>("a.i8", 1, {-1, 2});
  builder.add_array<uint16_t>("a.u16", 2, {1, 2}).add_array<int16_t>("a.i16", 3, {-1});
  builder.add_array<uint32_t>("a.u32", 4, {1, 2, 3, 4, 5, 6}).add_array<int32_t>("a.i32", 5, {-1, 0});
  builder.add_array<float>("a.f32", 6, {0.5f, -2.0f}).add_array<uint8_t>("a.bool", 7, {0, 1, 255});
  builder.add_array<std::string>("a.str", 8, {"a", "", "three"}).add_array<uint64_t>("a.u64", 10, {1});
  builder.add_array<int64_t>("a.i64", 11, {}).add_array<double>("a.f64", 12, {0.25});
  builder.add_tensor("token_embd.weight", TensorType::F16, {8, 3});
  builder.add_tensor("blk.0.ffn_norm.weight", TensorType::F32, {5});
  builder.add_tensor("blk.0.ffn_up.weight", TensorType::Q4_0, {32, 2, 1, 1});
  builder.add_tensor("scalar", TensorType::F32, {});
  builder.add_tensor("empty", TensorType::F32, {4, 0});
  builder.add_tensor("blk.0.attn_q.weight", TensorType::Q8_0, {32, 1, 2});
  return builder;
}

inline std::span<const std::byte> byte_span(std::string_view bytes) {
  return std::as_bytes(std::span(bytes));
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Parses bytes that the caller keeps alive, under the name "f.gguf".
inline GgufFile parse_bytes(std::string_view bytes) {
  return GgufFile::parse(MappedFile::over("f.gguf", byte_span(bytes)));
}

// The message of the Error that `call` throws, or "" when it throws none.
template <typename Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// Touches every value that a parsed file offers, so that a sanitizer sees a span that leaves the bytes, and
// plans a copy with and without changes. Returns a number that depends on all of it.
inline uint64_t walk(const GgufFile& file) {
  uint64_t sum = 0;
  for (const MetadataEntry& entry : file.metadata()) {
    sum +=
        display_value(entry).size() + as_unsigned(entry).value_or(0) + as_string(entry).value_or("").size();
    sum += std::to_integer<uint64_t>(entry.encoded.back());
    FQ_CHECK(file.find(entry.key) != nullptr);
  }
  std::vector<TensorType> same, wide;
  for (const TensorInfo& tensor : file.tensors()) {
    FQ_CHECK(tensor.row_length * tensor.row_count == tensor.value_count);
    std::span<const std::byte> data = file.data_of(tensor);
    FQ_CHECK(data.size() == tensor.data_bytes);
    if (!data.empty())
      sum += std::to_integer<uint64_t>(data.front()) + std::to_integer<uint64_t>(data.back());
    same.push_back(tensor.type);
    wide.push_back(TensorType::F64);
  }
  FileLayout unchanged = plan_layout(file, same, {});
  FQ_CHECK(unchanged.header_unchanged && unchanged.size == file.size());
  try {
    FileLayout changed = plan_layout(file, wide, {{"fakequant.test", "value"}});
    sum += changed.size + changed.tail.size();
  } catch (const Error&) {
    // More bytes than a file can have.
  }
  return sum;
}

// A folder of its own that is removed at the end.
class TestFolder {
 public:
  TestFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fakequant-test-XXXXXX").string();
    FQ_CHECK(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string at(std::string_view name) const { return path_ + "/" + std::string(name); }
  // Writes a file and returns its path.
  std::string write(std::string_view name, std::string_view bytes) const {
    std::ofstream(at(name), std::ios::binary) << bytes;
    return at(name);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      result.push_back(entry.path().filename());
    return result;
  }

 private:
  std::string path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace fakequant::gguf_testing
