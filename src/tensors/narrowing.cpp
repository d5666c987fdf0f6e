#include "tensors/narrowing.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/parallel.h"
#include "engine/codec.h"
#include "select/roles.h"

namespace fakequant {

namespace {

// tensor_allows_quantization of llama.cpp v0.5.0 (llama-quant.cpp) refuses names with these in them.
constexpr std::array kKeptParts = {"_norm.weight",
                                   "ffn_gate_inp.weight",
                                   "ffn_gate_tid2eid.weight",
                                   "altup",
                                   "laurel",
                                   "per_layer_model_proj",
                                   "ssm_conv1d",
                                   "shortconv.conv.weight",
                                   "indexer.k_proj.weight",
                                   "indexer.q_proj.weight",
                                   "time_mix_first.weight",
                                   "time_mix_w0.weight",
                                   "time_mix_w1.weight",
                                   "time_mix_w2.weight",
                                   "time_mix_v0.weight",
                                   "time_mix_v1.weight",
                                   "time_mix_v2.weight",
                                   "time_mix_a0.weight",
                                   "time_mix_a1.weight",
                                   "time_mix_a2.weight",
                                   "time_mix_g1.weight",
                                   "time_mix_g2.weight",
                                   "time_mix_decay_w1.weight",
                                   "time_mix_decay_w2.weight",
                                   "time_mix_lerp_fused.weight",
                                   "attn_rel_b.weight",
                                   ".position_embd",
                                   "sam.pos_embd",
                                   "sam.neck.",
                                   "sam.net_",
                                   ".rel_pos",
                                   ".patch_embd",
                                   ".patch_merger",
                                   "a.rvq.codebook",
                                   "mm.a.code_embd"};
// And these names.
constexpr std::array kKeptNames = {"position_embd.weight", "token_types.weight"};

bool is_quantized(TensorType type) {
  return facts_of(type).type_class == TypeClass::quantized;
}

// Rows of 2^16 values and more are cut into pieces: a block may not lie on a cut.
bool blocks_divide(const TypeFacts& facts, const TensorInfo& info, std::span<const Piece> pieces) {
  if (info.row_length % facts.block_values != 0) return false;
  return std::all_of(pieces.begin(), pieces.end(),
                     [&](const Piece& piece) { return piece.first_value % facts.block_values == 0; });
}

// The first row of a piece, or all of it when it is a part of a row.
Piece first_row_of(const TensorInfo& info, const Piece& piece) {
  Piece row = piece;
  row.value_count = std::min(piece.value_count, info.row_length);
  row.byte_count = piece.byte_count / static_cast<uint64_t>(piece.value_count / row.value_count);
  return row;
}

std::span<const float> round_piece(const TensorView& view, const Rounder& rounder, const Piece& piece,
                                   Scratch& scratch) {
  std::span<const float> values = read_piece(view, piece, scratch);
  scratch.rounded.assign(values.begin(), values.end());
  rounder.round(piece, scratch.rounded, scratch.bytes);
  return values;
}

}  // namespace

bool may_narrow(const TensorInfo& info) {
  auto in_name = [&](const char* part) { return info.name.find(part) != std::string::npos; };
  auto is_name = [&](const char* name) { return info.name == name; };
  return find_role_group("matrices")->contains(info) &&
         std::none_of(kKeptParts.begin(), kKeptParts.end(), in_name) &&
         std::none_of(kKeptNames.begin(), kKeptNames.end(), is_name);
}

std::optional<TensorType> exact_half_type(const PrecisionNeeds& needs) {
  if (needs.fit(kF16)) return TensorType::F16;
  if (needs.fit(kBf16)) return TensorType::BF16;
  return std::nullopt;
}

ExactQuantizedTypes::ExactQuantizedTypes(const TensorInfo& info, std::span<const Piece> pieces)
    : row_length_(info.row_length) {
  for (const TypeFacts& facts : all_tensor_types()) {
    const bool runs = facts.type_class == TypeClass::quantized && can_encode(facts.type);
    if (!runs || searches_a_grid(facts.type) || needs_importance(facts.type)) continue;
    if (blocks_divide(facts, info, pieces)) candidates_.push_back(std::make_unique<Candidate>(facts.type));
  }
  std::stable_sort(candidates_.begin(), candidates_.end(), [](const auto& a, const auto& b) {
    return bits_per_weight(a->type) < bits_per_weight(b->type);
  });
}

bool ExactQuantizedTypes::none_left() const {
  return std::none_of(candidates_.begin(), candidates_.end(), [](const auto& c) { return c->holds.load(); });
}

void ExactQuantizedTypes::add(std::span<const float> values, std::vector<std::byte>& bytes,
                              std::vector<float>& restored) {
  if (none_left()) return;
  PrecisionNeeds needs;
  needs.add(values);
  const bool storable = !needs.has_nan && !needs.has_infinity;
  const int64_t row_length = std::min<int64_t>(row_length_, static_cast<int64_t>(values.size()));
  for (const auto& candidate : candidates_) {
    if (!candidate->holds) continue;
    if (storable) {
      bytes.resize(bytes_of_values(candidate->type, values.size()));
      restored.resize(values.size());
      encode(candidate->type, row_length, values, {}, bytes);
      decode(candidate->type, bytes, restored);
    }
    if (!storable || !std::equal(values.begin(), values.end(), restored.begin())) candidate->holds = false;
  }
}

std::optional<TensorType> ExactQuantizedTypes::smallest() const {
  auto found =
      std::find_if(candidates_.begin(), candidates_.end(), [](const auto& c) { return c->holds.load(); });
  return found == candidates_.end() ? std::nullopt : std::optional((*found)->type);
}

StorageNeeds storage_needs(const TensorView& view, const Rounder& rounder, bool quantized_types,
                           const std::function<void(uint64_t)>& advance) {
  const std::vector<Piece>& pieces = rounder.pieces();
  StorageNeeds whole;
  if (pieces.empty()) return whole;
  whole.quantized = rounder.encoded_type();
  std::optional<ExactQuantizedTypes> types;
  if (quantized_types && !whole.quantized) {
    types.emplace(*view.info, pieces);
    Scratch scratch;
    round_piece(view, rounder, first_row_of(*view.info, pieces.front()), scratch);
    types->add(scratch.rounded, scratch.bytes, scratch.stored);
  }
  std::vector<StorageNeeds> parts(pieces.size());
  for_each_piece(pieces, [&](size_t index, Scratch& scratch) {
    std::span<const float> values = round_piece(view, rounder, pieces[index], scratch);
    parts[index].needs.add(scratch.rounded);
    parts[index].changed = std::memcmp(values.data(), scratch.rounded.data(), values.size_bytes()) != 0;
    if (types) types->add(scratch.rounded, scratch.bytes, scratch.stored);
    advance(pieces[index].byte_count);
  });
  for (const StorageNeeds& part : parts) {
    whole.needs.merge(part.needs);
    whole.changed = whole.changed || part.changed;
  }
  if (types) whole.quantized = types->smallest();
  return whole;
}

std::optional<TensorType> exact_quantized_type(const TensorView& view) {
  std::vector<Piece> pieces = pieces_of(*view.info);
  if (pieces.empty()) return std::nullopt;
  ExactQuantizedTypes types(*view.info, pieces);
  Scratch own;
  types.add(read_piece(view, first_row_of(*view.info, pieces.front()), own), own.bytes, own.stored);
  if (types.none_left()) return std::nullopt;
  for_each_piece(pieces, [&](size_t index, Scratch& scratch) {
    if (types.none_left()) return;
    types.add(read_piece(view, pieces[index], scratch), scratch.bytes, scratch.stored);
  });
  return types.smallest();
}

TensorType smallest_exact(const TensorInfo& info, bool narrow, const StorageNeeds& rounded) {
  const bool narrows = narrow && may_narrow(info);
  TensorType type = exact_half_type(rounded.needs).value_or(TensorType::F32);
  if (info.type == TensorType::F16 && rounded.needs.fit(kF16)) type = info.type;
  if (info.type == TensorType::BF16 && rounded.needs.fit(kBf16)) type = info.type;
  if (info.type == TensorType::F32 && !narrows) type = info.type;
  if (is_quantized(info.type) && (!rounded.changed || rounded.quantized == info.type)) type = info.type;
  const bool smaller =
      narrows && rounded.quantized && bits_per_weight(*rounded.quantized) < bits_per_weight(type);
  return smaller ? *rounded.quantized : type;
}

}  // namespace fakequant
