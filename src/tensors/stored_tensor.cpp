#include "tensors/stored_tensor.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/simd.h"
#include "base/text.h"
#include "engine/codec.h"

namespace fakequant {

namespace {

using WriteBytes = std::function<void(uint64_t offset, std::span<const std::byte> bytes)>;

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

[[noreturn]] void refuse_storage(const StorageJob& job, const std::string& cause) {
  throw Error(
      "tensor '{}': its storage type {} cannot hold values rounded to {} ({}); give --store auto to store it "
      "in the "
      "smallest exact type",
      printable(job.view.info->name), name_of(job.type_after), job.planned.format.name, cause);
}

// Stores scratch.rounded as the job's type into scratch.bytes and returns the values that the file will hold.
std::span<const float> encode_piece(const StorageJob& job, const Piece& piece, Scratch& scratch) {
  // ggml has encoded the values to round them: a second search could find other codes.
  if (job.rounder.encoded_type() == job.type_after) return scratch.rounded;
  const TensorInfo& info = *job.view.info;
  bool quantized = facts_of(job.type_after).type_class == TypeClass::quantized;
  scratch.bytes.resize(bytes_of_values(job.type_after, static_cast<uint64_t>(piece.value_count)));
  int64_t row_length = std::min(piece.value_count, info.row_length);
  try {
    encode(job.type_after, row_length, scratch.rounded, {}, scratch.bytes);
  } catch (const Error& error) {
    refuse_storage(job, error.what());
  }
  if (job.type_after == TensorType::F32) return scratch.rounded;
  scratch.stored.resize(scratch.rounded.size());
  decode(job.type_after, scratch.bytes, scratch.stored);
  // By value: few quantized types have a -0, and what they give for one is 0.
  if (quantized && !std::ranges::equal(scratch.stored, scratch.rounded)) {
    refuse_storage(job, "its quantizer gives other values back");
  }
  return scratch.stored;
}

bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

// How many rounded values the storage type could not hold, and by how much at most. The subtraction is exact:
// the stored value lies next to the rounded one.
FQ_VECTORIZED void measure_storage(const float* rounded, const float* stored, size_t count, uint64_t& changed,
                                   double& max_abs) {
  constexpr size_t kRun = 4096;  // counts of a run fit 32 bits, as wide as the values
  float largest = 0;
  for (size_t first = 0; first < count; first += kRun) {
    size_t end = std::min(count, first + kRun);
    uint32_t run_changed = 0;
    uint32_t run_largest = 0;
    for (size_t i = first; i < end; ++i) {
      // Inf - Inf and NaN - NaN are NaN: what cannot be told apart was not changed.
      uint32_t magnitude = std::bit_cast<uint32_t>(rounded[i] - stored[i]) & 0x7FFFFFFF;
      magnitude &= 0u - static_cast<uint32_t>(
                            magnitude <= 0x7F800000);  // a mask, since GCC makes a branch of a choice here
      run_changed += (magnitude + 0x7FFFFFFF) >> 31;
      run_largest = magnitude > run_largest ? magnitude : run_largest;
    }
    changed += run_changed;
    largest = std::max(largest, std::bit_cast<float>(run_largest));
  }
  max_abs = largest;
}

uint64_t count_saturated(std::span<const float> original, std::span<const float> stored) {
  uint64_t count = 0;
  for (size_t i = 0; i < original.size(); ++i)
    count += std::isinf(original[i]) && std::isfinite(stored[i]) ? 1 : 0;
  return count;
}

TensorResult store_piece(const StorageJob& job, const Piece& piece, const WriteBytes& write,
                         Scratch& scratch) {
  TensorResult result{};
  const TensorInfo& info = *job.view.info;
  std::span<const std::byte> raw = fetch(job.view, piece, scratch.raw);
  std::span<float> original = decode_piece(job.view, raw, piece, scratch.original);
  scratch.rounded.assign(original.begin(), original.end());
  job.rounder.round(piece, scratch.rounded, scratch.bytes);
  std::span<const float> stored = original;
  if (job.type_after == info.type && same_bits(original, scratch.rounded)) {
    write(piece.byte_offset, raw);
  } else {
    stored = encode_piece(job, piece, scratch);
    write(bytes_of_values(job.type_after, static_cast<uint64_t>(piece.first_value)), scratch.bytes);
    if (stored.data() != scratch.rounded.data()) {
      measure_storage(scratch.rounded.data(), stored.data(), stored.size(), result.store_changed_count,
                      result.store_max_abs);
    }
    result.bytes_changed = job.type_after != info.type || !same_bytes(scratch.bytes, raw);
  }
  result.difference =
      measure_difference(original, stored, job.epsilon, static_cast<uint64_t>(piece.first_value));
  if (result.difference.nonfinite_count > 0) result.saturated_infinities = count_saturated(original, stored);
  return result;
}

}  // namespace

TensorResult store_tensor(const StorageJob& job, const WriteBytes& write, Progress& progress) {
  const std::vector<Piece>& pieces = job.rounder.pieces();
  std::vector<TensorResult> parts(pieces.size());
  for_each_piece(pieces, [&](size_t index, Scratch& scratch) {
    parts[index] = store_piece(job, pieces[index], write, scratch);
    progress.advance(pieces[index].byte_count);
  });
  TensorResult whole{};
  for (const TensorResult& part : parts) {
    whole.difference.merge(part.difference);
    whole.store_max_abs = std::max(whole.store_max_abs, part.store_max_abs);
    whole.store_changed_count += part.store_changed_count;
    whole.saturated_infinities += part.saturated_infinities;
    whole.bytes_changed = whole.bytes_changed || part.bytes_changed;
  }
  whole.type_before = job.view.info->type;
  whole.type_after = job.type_after;
  return whole;
}

std::vector<std::byte> stored_bytes(const StorageJob& job, TensorResult& result, Progress& progress) {
  auto value_count = job.view.info->value_count;
  std::vector<std::byte> bytes(bytes_of_values(job.type_after, static_cast<uint64_t>(value_count)));
  auto write = [&](uint64_t offset, std::span<const std::byte> piece) {
    std::memcpy(bytes.data() + offset, piece.data(), piece.size());
  };
  result = store_tensor(job, write, progress);
  return bytes;
}

}  // namespace fakequant
