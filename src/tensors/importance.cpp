#include "tensors/importance.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "gguf/mapped_file.h"

namespace fakequant {

namespace {

using Entries = std::map<std::string, std::vector<float>>;

constexpr std::string_view kSums = ".in_sum2";
constexpr std::string_view kCounts = ".counts";

std::vector<float> floats_of(const std::string& path, const GgufFile& file, const TensorInfo& tensor) {
  if (tensor.type != TensorType::F32) {
    throw Error("{}: importance entry '{}': found type {}, wanted F32", path, printable(tensor.name),
                name_of(tensor.type));
  }
  std::vector<float> values(static_cast<size_t>(tensor.value_count));
  std::span<const std::byte> bytes = file.data_of(tensor);
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// Means of squares from sums and counts, one count per matrix (expert); a matrix that saw nothing weighs all
// channels alike.
std::vector<float> normalized(const std::string& path, const std::string& name, std::vector<float> sums,
                              const std::vector<float>& counts) {
  if (counts.empty() || sums.empty() || sums.size() % counts.size() != 0) {
    throw Error("{}: importance entry '{}': found {} sums and {} counts, wanted a multiple", path,
                printable(name), sums.size(), counts.size());
  }
  size_t length = sums.size() / counts.size();
  for (size_t i = 0; i < sums.size(); ++i) {
    float count = std::round(counts[i / length]);
    sums[i] = count > 0 ? sums[i] / count : 1.0f;
  }
  return sums;
}

Entries read_gguf(const std::string& path) {
  GgufFile file = GgufFile::open(path);
  std::map<std::string, std::pair<const TensorInfo*, const TensorInfo*>> found;
  for (const TensorInfo& tensor : file.tensors()) {
    std::string_view name = tensor.name;
    if (name.ends_with(kSums)) found[std::string(name.substr(0, name.size() - kSums.size()))].first = &tensor;
    if (name.ends_with(kCounts))
      found[std::string(name.substr(0, name.size() - kCounts.size()))].second = &tensor;
  }
  if (found.empty())
    throw Error("{}: is a GGUF file without importance entries (tensors named *.in_sum2)", path);
  Entries entries;
  for (const auto& [name, pair] : found) {
    if (pair.first == nullptr || pair.second == nullptr) {
      throw Error("{}: importance entry '{}' has no {}", path, printable(name),
                  pair.first == nullptr ? "sums" : "counts");
    }
    entries[name] =
        normalized(path, name, floats_of(path, file, *pair.first), floats_of(path, file, *pair.second));
  }
  return entries;
}

// The binary form: i32 entry count; per entry i32 name length, name, i32 calls, i32 value count, floats that
// are sums times calls.
class LegacyReader {
 public:
  LegacyReader(const std::string& path, std::span<const std::byte> bytes) : path_(path), bytes_(bytes) {}

  Entries read() {
    int32_t count = number("entry count");
    if (count < 1) throw Error("{}: is no importance matrix (neither GGUF nor the older binary form)", path_);
    Entries entries;
    for (int32_t i = 0; i < count; ++i) {
      int32_t name_length = number("name length");
      std::span<const std::byte> name = take(name_length, "name");
      int32_t calls = number("call count");
      int32_t values = number("value count");
      if (values < 1)
        throw Error("{}: at byte {}: found {} values, wanted at least 1", path_, offset_ - 4, values);
      std::span<const std::byte> data = take(int64_t{values} * 4, "values");
      std::vector<float>& entry =
          entries[std::string(reinterpret_cast<const char*>(name.data()), name.size())];
      entry.resize(static_cast<size_t>(values));
      std::memcpy(entry.data(), data.data(), data.size());
      for (float& value : entry) value = calls > 0 ? value / static_cast<float>(calls) : value;
    }
    return entries;
  }

 private:
  std::span<const std::byte> take(int64_t size, const char* field) {
    if (size < 0 || static_cast<uint64_t>(size) > bytes_.size() - offset_) {
      throw Error(
          "{}: at byte {}: {} of {} bytes does not fit in the file; it is no importance matrix, or cut short",
          path_, offset_, field, size);
    }
    std::span<const std::byte> part = bytes_.subspan(offset_, static_cast<size_t>(size));
    offset_ += static_cast<size_t>(size);
    return part;
  }

  int32_t number(const char* field) {
    int32_t value;
    std::memcpy(&value, take(4, field).data(), 4);
    return value;
  }

  const std::string& path_;
  std::span<const std::byte> bytes_;
  size_t offset_ = 0;
};

bool starts_with_magic(std::span<const std::byte> bytes) {
  return bytes.size() >= 4 && std::memcmp(bytes.data(), "GGUF", 4) == 0;
}

}  // namespace

ImportanceMatrix ImportanceMatrix::load(const std::string& path) {
  ImportanceMatrix matrix;
  matrix.path_ = path;
  MappedFile file(path);
  matrix.entries_ =
      starts_with_magic(file.bytes()) ? read_gguf(path) : LegacyReader(path, file.bytes()).read();
  for (const auto& [name, values] : matrix.entries_) {
    auto bad = std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v) || v < 0; });
    if (bad != values.end()) {
      throw Error("{}: importance entry '{}': found {} at channel {}, wanted a finite number not below 0",
                  path, printable(name), *bad, bad - values.begin());
    }
  }
  return matrix;
}

std::span<const float> ImportanceMatrix::weights_for(const TensorInfo& tensor) const {
  auto entry = entries_.find(tensor.name);
  if (entry == entries_.end()) return {};
  const std::vector<float>& values = entry->second;
  int64_t matrices = tensor.shape.size() > 2 ? tensor.shape[2] : 1;
  if (static_cast<int64_t>(values.size()) != tensor.row_length * matrices) {
    throw Error("{}: importance entry '{}': found {} values, wanted {} ({} channels x {} matrices)", path_,
                printable(tensor.name), values.size(), tensor.row_length * matrices, tensor.row_length,
                matrices);
  }
  for (size_t first = 0; first < values.size(); first += static_cast<size_t>(tensor.row_length)) {
    auto begin = values.begin() + static_cast<std::ptrdiff_t>(first);
    if (std::all_of(begin, begin + tensor.row_length, [](float v) { return v == 0; })) {
      throw Error("{}: importance entry '{}' is zero for every channel; ggml would store zeros", path_,
                  printable(tensor.name));
    }
  }
  return values;
}

int64_t rows_sharing_weights(const TensorInfo& tensor, int64_t row) {
  int64_t rows_per_matrix = tensor.shape.size() > 1 ? tensor.shape[1] : 1;
  return rows_per_matrix - row % rows_per_matrix;
}

std::span<const float> weights_for_row(std::span<const float> weights, const TensorInfo& tensor,
                                       int64_t row) {
  if (weights.empty()) return {};
  int64_t rows_per_matrix = tensor.shape.size() > 1 ? tensor.shape[1] : 1;
  int64_t matrices = static_cast<int64_t>(weights.size()) / tensor.row_length;
  auto matrix = static_cast<size_t>(row / rows_per_matrix % matrices);
  return weights.subspan(matrix * static_cast<size_t>(tensor.row_length),
                         static_cast<size_t>(tensor.row_length));
}

}  // namespace fakequant
