#include "gguf/writer.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

namespace {

void append_bytes(std::vector<std::byte>& bytes, std::span<const std::byte> more) {
  if (more.empty()) return;
  size_t start = bytes.size();
  bytes.resize(start + more.size());
  std::memcpy(bytes.data() + start, more.data(), more.size());
}

template <typename T>
void append(std::vector<std::byte>& bytes, T value) {
  append_bytes(bytes, std::as_bytes(std::span(&value, 1)));
}

void append_string(std::vector<std::byte>& bytes, std::string_view text) {
  append(bytes, uint64_t{text.size()});
  append_bytes(bytes, std::as_bytes(std::span(text)));
}

uint64_t padded(uint64_t offset, uint64_t alignment) {
  return (offset + alignment - 1) & ~(alignment - 1);
}

// Bytes of `tensor` when stored as `type`.
uint64_t bytes_as(const GgufFile& input, const TensorInfo& tensor, TensorType type) {
  const TypeFacts& facts = facts_of(type);
  if (tensor.row_length % facts.block_values != 0) {
    throw Error("{}: tensor '{}': found rows of {} values, wanted a multiple of {} to store it as {}",
                printable(input.path()), printable(tensor.name), tensor.row_length, facts.block_values,
                facts.name);
  }
  uint64_t blocks = static_cast<uint64_t>(tensor.value_count) / facts.block_values;
  // Far below 2^64: the input has its blocks in a file (under 2^63 bytes), and the widest type per value is
  // F64.
  constexpr uint64_t kMostBytes = uint64_t{1} << 62;
  if (blocks > kMostBytes / facts.block_bytes) {
    throw Error("{}: tensor '{}': found {} values, too many to store as {}", printable(input.path()),
                printable(tensor.name), tensor.value_count, facts.name);
  }
  return blocks * facts.block_bytes;
}

// The input's pairs without those of the keys in `left_out`, adjacent ones joined; adds how many are kept to
// `count`.
std::vector<std::span<const std::byte>> kept_runs(const GgufFile& input,
                                                  const std::set<std::string_view>& left_out,
                                                  uint64_t& count) {
  std::vector<std::span<const std::byte>> runs;
  for (const MetadataEntry& entry : input.metadata()) {
    // Up to a NUL, as ggml looks keys up: an older "key\0..." would hide the stamped one.
    if (left_out.contains(entry.key.substr(0, entry.key.find('\0')))) continue;
    ++count;
    if (!runs.empty() && runs.back().data() + runs.back().size() == entry.encoded.data()) {
      runs.back() = {runs.back().data(), runs.back().size() + entry.encoded.size()};
    } else {
      runs.push_back(entry.encoded);
    }
  }
  return runs;
}

// The keys that a stamp replaces.
std::set<std::string_view> stamped_keys(const std::vector<StampEntry>& stamp) {
  std::set<std::string_view> keys;
  for (const StampEntry& entry : stamp) {
    // The alignment decides the layout: a stamp must not contradict it. Equal keys would make a file that
    // none can read.
    FQ_CHECK(!entry.key.empty() && entry.key != "general.alignment");
    FQ_CHECK(entry.key.find('\0') == std::string::npos);
    FQ_CHECK(keys.insert(entry.key).second);
  }
  return keys;
}

// One entry of the tensor table: the input's own bytes for name and shape, then the new type and offset.
void append_table_entry(std::vector<std::byte>& bytes, const GgufFile& input, const TensorLayout& tensor,
                        uint64_t offset_in_data) {
  uint64_t start = tensor.source->info_offset;
  uint64_t name_length;
  std::memcpy(&name_length, input.bytes().data() + start, sizeof name_length);
  uint64_t kept =
      sizeof name_length + name_length + sizeof(uint32_t) + sizeof(int64_t) * tensor.source->shape.size();
  append_bytes(bytes, input.bytes().subspan(start, kept));
  append(bytes, static_cast<uint32_t>(tensor.type));
  append(bytes, offset_in_data);
}

// A tensor that a new file shall hold, of whichever input.
struct PlannedTensor {
  const GgufFile* file;
  const TensorInfo* info;
  TensorType type;
};

// A file with a header of its own: what is kept of the metadata of `first`, what `layout.tail` has already (as many
// pairs as `added_pairs`), and the tensors one after the other.
void lay_out(FileLayout& layout, const GgufFile& first, const std::set<std::string_view>& left_out,
             uint64_t added_pairs, const std::vector<PlannedTensor>& tensors) {
  uint64_t pair_count = added_pairs;
  layout.kept_metadata = kept_runs(first, left_out, pair_count);
  append_bytes(layout.head, first.bytes().first(4));  // magic
  append(layout.head, first.version());
  append(layout.head, uint64_t{tensors.size()});
  append(layout.head, pair_count);

  uint64_t offset_in_data = 0;
  for (const PlannedTensor& planned : tensors) {
    uint64_t data_bytes = bytes_as(*planned.file, *planned.info, planned.type);
    TensorLayout tensor{planned.info, planned.type, offset_in_data, data_bytes};
    append_table_entry(layout.tail, *planned.file, tensor, offset_in_data);
    layout.tensors.push_back(tensor);
    offset_in_data = padded(offset_in_data + data_bytes, first.alignment());
    if (offset_in_data > static_cast<uint64_t>(INT64_MAX)) {
      throw Error("{}: its tensors would fill more bytes than a file can have", printable(first.path()));
    }
  }

  uint64_t header_bytes = layout.head.size() + layout.tail.size();
  for (std::span<const std::byte> run : layout.kept_metadata) header_bytes += run.size();
  // As for readers: a file without tensors ends where its header does.
  layout.data_offset = tensors.empty() ? header_bytes : padded(header_bytes, first.alignment());
  for (TensorLayout& tensor : layout.tensors) tensor.data_offset += layout.data_offset;
  layout.size = layout.data_offset + offset_in_data;
}

FileLayout plan_same_layout(const GgufFile& input) {
  FileLayout layout{};
  layout.header_unchanged = true;
  layout.data_offset = input.data_offset();
  layout.size = input.size();
  for (const TensorInfo& tensor : input.tensors()) {
    layout.tensors.push_back({&tensor, tensor.type, tensor.data_offset, tensor.data_bytes});
  }
  return layout;
}

void copy_tensors(PendingFile& output, const GgufFile& input, const FileLayout& layout,
                  const std::vector<bool>& rewritten) {
  for (size_t i = 0; i < layout.tensors.size(); ++i) {
    const TensorLayout& tensor = layout.tensors[i];
    if (rewritten[i] || tensor.data_bytes == 0) continue;
    output.copy_from(input.file(), tensor.source->data_offset, tensor.data_offset, tensor.data_bytes);
  }
}

// Everything but the rewritten tensors, in ranges as long as possible.
void copy_around(PendingFile& output, const GgufFile& input, const FileLayout& layout,
                 const std::vector<bool>& rewritten) {
  uint64_t start = 0;
  auto copy_until = [&](uint64_t end) {
    if (end > start) output.copy_from(input.file(), start, start, end - start);
  };
  for (size_t i = 0; i < layout.tensors.size(); ++i) {
    const TensorLayout& tensor = layout.tensors[i];
    if (!rewritten[i] || tensor.data_bytes == 0) continue;
    copy_until(tensor.data_offset);
    start = tensor.data_offset + tensor.data_bytes;
  }
  copy_until(input.size());
}

}  // namespace

FileLayout plan_layout(const GgufFile& input, std::span<const TensorType> types,
                       const std::vector<StampEntry>& stamp) {
  const std::vector<TensorInfo>& tensors = input.tensors();
  FQ_CHECK(types.size() == tensors.size());
  bool same_types = std::equal(types.begin(), types.end(), tensors.begin(),
                               [](TensorType type, const TensorInfo& tensor) { return type == tensor.type; });
  if (same_types && stamp.empty()) return plan_same_layout(input);

  FileLayout layout{};
  for (const StampEntry& entry : stamp) {
    append_string(layout.tail, entry.key);
    append(layout.tail, static_cast<uint32_t>(MetadataType::string));
    append_string(layout.tail, entry.value);
  }
  std::vector<PlannedTensor> planned;
  for (size_t i = 0; i < tensors.size(); ++i) planned.push_back({&input, &tensors[i], types[i]});
  lay_out(layout, input, stamped_keys(stamp), stamp.size(), planned);
  return layout;
}

FileLayout plan_merged_layout(const Model& model, std::span<const TensorType> types) {
  const std::vector<GgufFile>& shards = model.shards();
  FQ_CHECK(types.size() == model.tensors().size());
  if (shards.size() == 1) return plan_layout(shards.front(), types, {});
  std::vector<PlannedTensor> planned;
  for (size_t i = 0; i < types.size(); ++i) {
    const Model::Located& tensor = model.tensors()[i];
    planned.push_back({&shards[tensor.shard_index], tensor.info, types[i]});
  }
  FileLayout layout{};
  lay_out(layout, shards.front(), {"split.no", "split.count", "split.tensors.count"}, 0, planned);
  return layout;
}

PendingFile write_untouched(const GgufFile& input, const FileLayout& layout,
                            const std::vector<bool>& rewritten, const std::string& target) {
  FQ_CHECK(rewritten.size() == layout.tensors.size());
  PendingFile output(target, layout.size);
  if (layout.header_unchanged) {
    if (!output.clone_from(input.file())) copy_around(output, input, layout, rewritten);
    return output;
  }
  for (size_t i = 0; i < layout.tensors.size(); ++i) {
    FQ_CHECK(rewritten[i] || layout.tensors[i].type == layout.tensors[i].source->type);
  }
  // Padding is written by nobody: the file begins as one hole, and holes read as zeros.
  uint64_t offset = 0;
  auto write_next = [&](std::span<const std::byte> bytes) {
    output.write(offset, bytes);
    offset += bytes.size();
  };
  write_next(layout.head);
  for (std::span<const std::byte> run : layout.kept_metadata) write_next(run);
  write_next(layout.tail);
  copy_tensors(output, input, layout, rewritten);
  return output;
}

}  // namespace fakequant
