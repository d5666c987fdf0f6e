#include "tensors/importance.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "engine/codec.h"

namespace fakequant {

namespace {

// In sums of products with weights below this F32 has nothing left.
constexpr float kSmallestImportance = 0x1p-80f;

constexpr std::string_view kSums = ".in_sum2";
constexpr std::string_view kCounts = ".counts";

bool starts_with_magic(std::span<const std::byte> bytes) {
  return bytes.size() >= 4 && std::memcmp(bytes.data(), "GGUF", 4) == 0;
}

}  // namespace

float ImportanceMatrix::Floats::at(size_t index) const {
  float value;
  std::memcpy(&value, bytes.data() + index * sizeof(float), sizeof(float));
  return value;
}

// The binary form: i32 entry count; per entry i32 name length, name, i32 calls, i32 value count, floats that
// are means times calls.
class ImportanceMatrix::LegacyReader {
 public:
  LegacyReader(const std::string& path, std::span<const std::byte> bytes) : path_(path), bytes_(bytes) {}

  std::map<std::string, Entry> read() {
    int32_t count = number("entry count");
    if (count < 1) {
      throw Error("{}: is no importance matrix (neither GGUF nor the older binary form)", printable(path_));
    }
    std::map<std::string, Entry> entries;
    for (int32_t i = 0; i < count; ++i) {
      std::span<const std::byte> name = take(number("name length"), "name");
      Entry entry;
      entry.calls = number("call count");
      int32_t values = number("value count");
      if (values < 1) {
        throw Error("{}: at byte {}: found {} values, wanted at least 1", printable(path_), offset_ - 4,
                    values);
      }
      entry.sums.bytes = take(int64_t{values} * 4, "values");
      entries[std::string(reinterpret_cast<const char*>(name.data()), name.size())] = entry;
    }
    return entries;
  }

 private:
  std::span<const std::byte> take(int64_t size, const char* field) {
    if (size < 0 || static_cast<uint64_t>(size) > bytes_.size() - offset_) {
      throw Error(
          "{}: at byte {}: {} of {} bytes does not fit in the file; it is no importance matrix, or cut short",
          printable(path_), offset_, field, size);
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

void ImportanceMatrix::read_gguf() {
  GgufFile file = GgufFile::parse(MappedFile::over(path_, file_.bytes()));
  auto floats_of = [&](const TensorInfo& tensor) {
    if (tensor.type != TensorType::F32) {
      throw Error("{}: importance entry '{}': found type {}, wanted F32", printable(path_),
                  printable(tensor.name), name_of(tensor.type));
    }
    return Floats{file.data_of(tensor)};
  };
  std::map<std::string, std::pair<const TensorInfo*, const TensorInfo*>> found;
  for (const TensorInfo& tensor : file.tensors()) {
    std::string_view name = tensor.name;
    if (name.ends_with(kSums)) found[std::string(name.substr(0, name.size() - kSums.size()))].first = &tensor;
    if (name.ends_with(kCounts))
      found[std::string(name.substr(0, name.size() - kCounts.size()))].second = &tensor;
  }
  if (found.empty()) {
    throw Error("{}: is a GGUF file without importance entries (tensors named *.in_sum2)", printable(path_));
  }
  for (const auto& [name, pair] : found) {
    if (pair.first == nullptr || pair.second == nullptr) {
      throw Error("{}: importance entry '{}' has no {}", printable(path_), printable(name),
                  pair.first == nullptr ? "sums" : "counts");
    }
    Entry entry{floats_of(*pair.first), floats_of(*pair.second)};
    size_t counts = entry.counts.count();
    if (counts == 0 || entry.sums.count() == 0 || entry.sums.count() % counts != 0) {
      throw Error("{}: importance entry '{}': found {} sums and {} counts, wanted a multiple",
                  printable(path_), printable(name), entry.sums.count(), counts);
    }
    entries_[name] = entry;
  }
}

// The mean of the squares of one channel; a matrix that saw nothing weighs all channels alike.
float ImportanceMatrix::weight(const Entry& entry, size_t index) const {
  float sum = entry.sums.at(index);
  size_t counts = entry.counts.count();
  if (counts == 0) return entry.calls > 0 ? sum / static_cast<float>(entry.calls) : sum;
  float count = std::round(entry.counts.at(index / (entry.sums.count() / counts)));
  return count > 0 ? sum / count : 1.0f;
}

void ImportanceMatrix::check_values() const {
  for (const auto& [name, entry] : entries_) {
    for (size_t i = 0; i < entry.sums.count(); ++i) {
      float value = weight(entry, i);
      if (value >= 0 && value <= kLargestImportance) continue;
      throw Error("{}: importance entry '{}': found {} at channel {}, wanted a number from 0 to {:g}",
                  printable(path_), printable(name), value, i, kLargestImportance);
    }
  }
}

ImportanceMatrix ImportanceMatrix::load(const std::string& path) {
  ImportanceMatrix matrix;
  matrix.path_ = path;
  matrix.file_ = MappedFile(path);
  if (starts_with_magic(matrix.file_.bytes())) {
    matrix.read_gguf();
  } else {
    matrix.entries_ = LegacyReader(matrix.path_, matrix.file_.bytes()).read();
  }
  matrix.check_values();
  return matrix;
}

std::vector<float> ImportanceMatrix::weights_for(const TensorInfo& tensor) const {
  auto found = entries_.find(tensor.name);
  if (found == entries_.end()) return {};
  const Entry& entry = found->second;
  int64_t matrices = tensor.shape.size() > 2 ? tensor.shape[2] : 1;
  if (static_cast<int64_t>(entry.sums.count()) != tensor.row_length * matrices) {
    throw Error("{}: importance entry '{}': found {} values, wanted {} ({} channels x {} matrices)",
                printable(path_), printable(tensor.name), entry.sums.count(), tensor.row_length * matrices,
                tensor.row_length, matrices);
  }
  std::vector<float> values(entry.sums.count());
  for (size_t i = 0; i < values.size(); ++i) values[i] = weight(entry, i);
  for (size_t first = 0; first < values.size(); first += static_cast<size_t>(tensor.row_length)) {
    auto begin = values.begin() + static_cast<std::ptrdiff_t>(first);
    if (std::all_of(begin, begin + tensor.row_length, [](float v) { return v < kSmallestImportance; })) {
      throw Error(
          "{}: importance entry '{}' is zero, or next to it, for every channel; ggml would store zeros",
          printable(path_), printable(tensor.name));
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
