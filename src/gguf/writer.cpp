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

// The input's pairs without those that a stamp replaces, adjacent ones joined; adds how many are kept to
// `count`.
std::vector<std::span<const std::byte>> kept_runs(const GgufFile& input, const std::vector<StampEntry>& stamp,
                                                  uint64_t& count) {
  std::set<std::string_view> replaced;
  for (const StampEntry& entry : stamp) {
    // The alignment decides the layout: a stamp must not contradict it. Equal keys would make a file that
    // none can read.
    FQ_CHECK(!entry.key.empty() && entry.key != "general.alignment");
    FQ_CHECK(entry.key.find('\0') == std::string::npos);
    FQ_CHECK(replaced.insert(entry.key).second);
  }
  std::vector<std::span<const std::byte>> runs;
  for (const MetadataEntry& entry : input.metadata()) {
    // Up to a NUL, as ggml looks keys up: an older "key\0..." would hide the stamped one.
    if (replaced.contains(entry.key.substr(0, entry.key.find('\0')))) continue;
    ++count;
    if (!runs.empty() && runs.back().data() + runs.back().size() == entry.encoded.data()) {
      runs.back() = {runs.back().data(), runs.back().size() + entry.encoded.size()};
    } else {
      runs.push_back(entry.encoded);
    }
  }
  return runs;
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
  uint64_t pair_count = stamp.size();
  layout.kept_metadata = kept_runs(input, stamp, pair_count);
  append_bytes(layout.head, input.bytes().first(4));  // magic
  append(layout.head, input.version());
  append(layout.head, uint64_t{tensors.size()});
  append(layout.head, pair_count);
  for (const StampEntry& entry : stamp) {
    append_string(layout.tail, entry.key);
    append(layout.tail, static_cast<uint32_t>(MetadataType::string));
    append_string(layout.tail, entry.value);
  }

  uint64_t offset_in_data = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    TensorLayout tensor{&tensors[i], types[i], offset_in_data, bytes_as(input, tensors[i], types[i])};
    append_table_entry(layout.tail, input, tensor, offset_in_data);
    layout.tensors.push_back(tensor);
    offset_in_data = padded(offset_in_data + tensor.data_bytes, input.alignment());
    if (offset_in_data > static_cast<uint64_t>(INT64_MAX)) {
      throw Error("{}: its tensors would fill more bytes than a file can have", printable(input.path()));
    }
  }

  uint64_t header_bytes = layout.head.size() + layout.tail.size();
  for (std::span<const std::byte> run : layout.kept_metadata) header_bytes += run.size();
  // As for readers: a file without tensors ends where its header does.
  layout.data_offset = tensors.empty() ? header_bytes : padded(header_bytes, input.alignment());
  for (TensorLayout& tensor : layout.tensors) tensor.data_offset += layout.data_offset;
  layout.size = layout.data_offset + offset_in_data;
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
