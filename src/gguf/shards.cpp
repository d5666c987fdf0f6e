#include "gguf/shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

namespace {

// llama.cpp stores the count as u16.
constexpr uint64_t kMostShards = 65535;

// The name of one part, NAME-00002-of-00003.gguf, taken apart.
struct PartName {
  std::string stem;  // NAME, with its folder
  uint64_t number;   // from 1
  uint64_t count;
};

std::string part_path(const std::string& stem, uint64_t number, uint64_t count) {
  return fmt::format("{}-{:05}-of-{:05}.gguf", stem, number, count);
}

std::optional<PartName> parse_part_name(std::string_view path) {
  constexpr size_t kEndingBytes = std::string_view("-00001-of-00001.gguf").size();
  if (path.size() < kEndingBytes) return std::nullopt;
  std::string_view ending = path.substr(path.size() - kEndingBytes);
  PartName name{std::string(path.substr(0, path.size() - kEndingBytes)), 0, 0};
  bool fits = ending[0] == '-' && parse_unsigned(ending.substr(1, 5), name.number) &&
              ending.substr(6, 4) == "-of-" && parse_unsigned(ending.substr(10, 5), name.count) &&
              ending.substr(15) == ".gguf";
  if (!fits || name.number < 1 || name.number > name.count || name.count > kMostShards) return std::nullopt;
  return name;
}

// The number under `key`, or nothing when the file does not have it.
std::optional<uint64_t> read_number(const GgufFile& file, std::string_view key) {
  const MetadataEntry* entry = file.find(key);
  if (entry == nullptr) return std::nullopt;
  std::optional<uint64_t> value = as_unsigned(*entry);
  if (!value) {
    throw Error("{}: at byte {}, key '{}': found {} {}, wanted a whole number", printable(file.path()),
                entry->offset, key, name_of(entry->type), display_value(*entry));
  }
  return value;
}

void require_number(const GgufFile& file, std::string_view key, uint64_t wanted, std::string_view because) {
  std::optional<uint64_t> found = read_number(file, key);
  if (!found)
    throw Error("{}: found no key '{}', wanted {} {}", printable(file.path()), key, wanted, because);
  if (*found == wanted) return;
  throw Error("{}: at byte {}, key '{}': found {}, wanted {} {}", printable(file.path()),
              file.find(key)->offset, key, *found, wanted, because);
}

// The number of parts that the metadata claims. 0 and 1 stand for a whole model: merging leaves a 0 behind.
uint64_t claimed_count(const GgufFile& file) {
  uint64_t count = read_number(file, "split.count").value_or(0);
  if (count <= kMostShards) return count;
  throw Error("{}: at byte {}, key 'split.count': found {}, wanted at most {}", printable(file.path()),
              file.find("split.count")->offset, count, kMostShards);
}

GgufFile open_part(const PartName& name, uint64_t number) {
  try {
    return GgufFile::open(part_path(name.stem, number, name.count));
  } catch (const Error& error) {
    throw Error("{} (part {} of {} of a split model)", error.what(), number, name.count);
  }
}

void check_part(const GgufFile& part, uint64_t number, uint64_t count) {
  require_number(part, "split.count", count, "as its name says");
  require_number(part, "split.no", number - 1, "as its name says (parts count from 0 there)");
}

}  // namespace

Model Model::open(const std::string& path) {
  Model model;
  model.path_ = path;
  GgufFile given = GgufFile::open(path);
  uint64_t count = claimed_count(given);
  std::optional<PartName> name = parse_part_name(path);
  if (count > 1 && !name) {
    uint64_t number = read_number(given, "split.no").value_or(0) + 1;
    throw Error(
        "{}: its metadata says that it is one of {} parts; found no part number in its name, wanted NAME{}",
        printable(path), count, part_path("", number, count));
  }
  if (count == 0 || !name) {
    model.shards_.push_back(std::move(given));
  } else {
    auto add = [&](GgufFile part, uint64_t number) {
      check_part(part, number, name->count);
      model.shards_.push_back(std::move(part));
    };
    for (uint64_t number = 1; number < name->number; ++number) add(open_part(*name, number), number);
    add(std::move(given), name->number);
    for (uint64_t number = name->number + 1; number <= name->count; ++number)
      add(open_part(*name, number), number);
  }
  model.index_tensors();
  return model;
}

void Model::index_tensors() {
  for (size_t shard_index = 0; shard_index < shards_.size(); ++shard_index) {
    for (const TensorInfo& info : shards_[shard_index].tensors()) tensors_.push_back({shard_index, &info});
  }
  if (shards_.size() > 1) {
    for (const GgufFile& shard : shards_) {
      if (shard.find("split.tensors.count") == nullptr) continue;
      require_number(shard, "split.tensors.count", tensors_.size(), "tensors, as all parts together hold");
    }
  }
  by_name_.resize(tensors_.size());
  std::iota(by_name_.begin(), by_name_.end(), size_t{0});
  std::sort(by_name_.begin(), by_name_.end(), [this](size_t a, size_t b) {
    int difference = tensors_[a].info->name.compare(tensors_[b].info->name);
    return difference != 0 ? difference < 0 : a < b;
  });
  for (size_t i = 1; i < by_name_.size(); ++i) {
    const Located& first = tensors_[by_name_[i - 1]];
    const Located& second = tensors_[by_name_[i]];
    if (first.info->name != second.info->name) continue;
    throw Error(
        "{}: at byte {}, tensor '{}': found the name of a tensor of {}, wanted names that differ in all "
        "parts",
        printable(shards_[second.shard_index].path()), second.info->info_offset, printable(second.info->name),
        printable(shards_[first.shard_index].path()));
  }
}

const TensorInfo* Model::find(std::string_view name) const {
  auto place =
      std::lower_bound(by_name_.begin(), by_name_.end(), name, [this](size_t index, std::string_view wanted) {
        return std::string_view(tensors_[index].info->name) < wanted;
      });
  if (place == by_name_.end() || tensors_[*place].info->name != name) return nullptr;
  return tensors_[*place].info;
}

std::span<const std::byte> Model::data_of(const Located& tensor) const {
  return shards_[tensor.shard_index].data_of(*tensor.info);
}

std::string Model::architecture() const {
  const MetadataEntry* entry = shards_.empty() ? nullptr : shards_[0].find("general.architecture");
  if (entry == nullptr) return "";
  return std::string(as_string(*entry).value_or(""));
}

uint64_t Model::total_bytes() const {
  uint64_t total = 0;
  for (const GgufFile& shard : shards_) total += shard.size();
  return total;
}

std::vector<std::string> Model::paths() const {
  std::vector<std::string> paths;
  for (const GgufFile& shard : shards_) paths.push_back(shard.path());
  return paths;
}

const std::string& Model::path() const {
  return path_;
}

std::vector<std::string> shard_names(const std::string& path) {
  std::optional<PartName> name = parse_part_name(path);
  if (!name) return {path};
  std::vector<std::string> result;
  for (uint64_t number = 1; number <= name->count; ++number)
    result.push_back(part_path(name->stem, number, name->count));
  return result;
}

std::vector<std::string> shard_output_names(const std::string& path, size_t count) {
  FQ_CHECK(count >= 1 && count <= kMostShards);
  std::optional<PartName> name = parse_part_name(path);
  if (name) {
    if (name->count == count) return shard_names(path);
    throw Error("{}: found a name for one of {} parts, wanted one for {} (NAME{} or NAME.gguf)",
                printable(path), name->count, count, part_path("", 1, count));
  }
  if (count == 1) return {path};
  std::string stem = path.ends_with(".gguf") ? path.substr(0, path.size() - 5) : path;
  std::vector<std::string> result;
  for (uint64_t number = 1; number <= count; ++number) result.push_back(part_path(stem, number, count));
  return result;
}

}  // namespace fakequant
