#pragma once
// What a tensor is for, by the names llama.cpp gives tensors in GGUF files. The one table of role groups is
// here; patterns over names are name_pattern's, the grammar of --tensors is pattern's.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/shards.h"

namespace fakequant {

// The tensors of a model, in its own order: Model::tensors().
using TensorList = std::span<const Model::Located>;

// The largest layer number that a name or a selection may hold.
inline constexpr int kMaxLayer = 999'999;

// N of "blk.N.rest": a plain decimal number without leading zeros up to kMaxLayer; else nothing. Blocks of
// encoders, decoders and projectors (enc.blk.N., v.blk.N.) are no layers.
std::optional<int> layer_of(std::string_view name);

// The specific role: what stands between the block ("blk.N.", "enc.blk.N.", ...) and a final ".weight" or
// ".bias", without numbers of its own. blk.3.ffn_norm.bias gives ffn_norm; output.weight gives output;
// blk.0.ffn_up.7.weight (an expert) gives ffn_up; blk.0.ssm_a gives ssm_a; other endings stay:
// blk.0.ffn_up.scale gives ffn_up.scale.
std::string role_of(std::string_view name);

// A role word that stands for several specific roles.
struct RoleGroup {
  std::string_view word;
  std::string_view summary;  // one line for help
  bool (*contains)(const TensorInfo& tensor);
};

// Every group, in the order in which help shows them.
std::span<const RoleGroup> role_groups();

// The group of this name, or null.
const RoleGroup* find_role_group(std::string_view word);

// The specific roles of these tensors in order of first appearance.
std::vector<std::string> specific_roles(TensorList tensors);

// The same with the number of tensors of each, for messages: {"ffn_norm (22)", ...}.
std::vector<std::string> roles_present(TensorList tensors);

// The layers of these tensors, ascending, each once.
std::vector<int> layers_present(TensorList tensors);

}  // namespace fakequant
