#include "select/roles.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/text.h"

namespace fakequant {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// A name taken apart at its dots.
struct NameParts {
  std::vector<std::string> role;  // the parts that make the specific role; empty only for an empty name
  bool numbered = false;          // a number stood among them: one expert of several, one of a row of layers
};

NameParts parts_of(std::string_view name) {
  std::vector<std::string> parts = split(name, '.');
  if (parts.size() > 1 && (parts.back() == "weight" || parts.back() == "bias")) parts.pop_back();
  auto begin = parts.begin();
  for (size_t i = 0; i + 2 < parts.size(); ++i) {
    bool block = parts[i] == "blk" || parts[i].ends_with("_blk");
    if (block && is_number(parts[i + 1])) {
      begin = parts.begin() + static_cast<ptrdiff_t>(i) + 2;
      break;
    }
  }
  NameParts result;
  std::copy_if(begin, parts.end(), std::back_inserter(result.role),
               [](auto& part) { return !is_number(part); });
  result.numbered = static_cast<size_t>(parts.end() - begin) != result.role.size();
  return result;
}

bool any_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool begins_with(std::string_view word, std::initializer_list<std::string_view> beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(), [&](auto b) { return word.starts_with(b); });
}

// The last part decides: blk.0.indexer.k_norm is a norm, and the scales that belong to a quantized storage
// (blk.0.ffn_up.scale) are neither ffn nor experts.
std::string last_part(const NameParts& parts) {
  return parts.role.empty() ? std::string() : parts.role.back();
}

// attn_norm, ffn_norm_exps, post_ffw_norm_1, ple_norm_key, nextn.enorm, v.blk.0.ln1, time_mix_ln,
// conv_stem.bn.
bool is_norm(const NameParts& parts) {
  for (const std::string& token : split(last_part(parts), '_')) {
    if (any_of(token, {"norm", "norm1", "norm2", "enorm", "hnorm", "ln", "ln1", "ln2", "bn"})) return true;
  }
  return false;
}

bool in_norm(const TensorInfo& tensor) {
  return is_norm(parts_of(tensor.name));
}

bool in_ffn(const TensorInfo& tensor) {
  NameParts parts = parts_of(tensor.name);
  std::string last = last_part(parts);
  // vis_*: the feed-forward network of CogVLM's visual expert.
  return !is_norm(parts) && (last.starts_with("ffn_") || any_of(last, {"vis_gate", "vis_up", "vis_down"}));
}

bool in_attn(const TensorInfo& tensor) {
  NameParts parts = parts_of(tensor.name);
  if (is_norm(parts)) return false;
  return begins_with(last_part(parts), {"attn_", "cross_attn_", "self_attn_", "vis_attn_"}) ||
         (parts.role.size() > 1 && parts.role[parts.role.size() - 2] == "attn");
}

bool in_embedding(const TensorInfo& tensor) {
  return any_of(last_part(parts_of(tensor.name)),
                {"token_embd", "position_embd", "pos_embd", "patch_embd", "class_embd", "token_types",
                 "per_layer_token_embd", "embed_tokens"});
}

bool in_output(const TensorInfo& tensor) {
  return role_of(tensor.name) == "output";
}

bool in_experts(const TensorInfo& tensor) {
  NameParts parts = parts_of(tensor.name);
  std::string last = last_part(parts);
  // Old Mixtral files hold each expert by itself: blk.0.ffn_up.7.weight.
  bool by_itself = parts.numbered && any_of(last, {"ffn_gate", "ffn_up", "ffn_down"});
  return !is_norm(parts) && (by_itself || last.ends_with("exps"));
}

// As ggml counts dimensions: those of length 1 at the end are none.
bool in_matrices(const TensorInfo& tensor) {
  size_t dimensions = tensor.shape.size();
  while (dimensions > 1 && tensor.shape[dimensions - 1] == 1) --dimensions;
  return dimensions >= 2 && tensor.name.ends_with(".weight") &&
         facts_of(tensor.type).type_class != TypeClass::integer;
}

constexpr std::array<RoleGroup, 8> kRoleGroups = {{
    {"norm", "every norm, in and outside blocks, weight and bias", in_norm},
    {"ffn", "feed-forward networks: ffn_*, experts and router included, norms not", in_ffn},
    {"attn", "attention: attn_*, without norms", in_attn},
    {"embedding", "tables looked up by token, position or type", in_embedding},
    {"output", "the output head: output.weight and output.bias", in_output},
    {"experts", "experts of mixtures: *_exps, or ffn_*.N in old files", in_experts},
    {"matrices", "every .weight of two or more dimensions", in_matrices},
    {"all", "every tensor", [](const TensorInfo&) { return true; }},
}};

}  // namespace

std::optional<int> layer_of(std::string_view name) {
  if (!name.starts_with("blk.")) return std::nullopt;
  name.remove_prefix(4);
  size_t end = name.find('.');
  if (end == std::string_view::npos || end + 1 == name.size()) return std::nullopt;
  std::string_view digits = name.substr(0, end);
  uint64_t layer = 0;
  if (digits.size() > 1 && digits[0] == '0') return std::nullopt;
  if (!parse_unsigned(digits, layer) || layer > uint64_t{kMaxLayer}) return std::nullopt;
  return static_cast<int>(layer);
}

std::string role_of(std::string_view name) {
  return join(parts_of(name).role, ".");
}

std::span<const RoleGroup> role_groups() {
  return kRoleGroups;
}

const RoleGroup* find_role_group(std::string_view word) {
  auto found =
      std::find_if(kRoleGroups.begin(), kRoleGroups.end(), [&](auto& group) { return group.word == word; });
  return found == kRoleGroups.end() ? nullptr : &*found;
}

std::vector<std::string> specific_roles(TensorList tensors) {
  std::vector<std::string> roles;
  std::set<std::string> seen;
  for (const Model::Located& tensor : tensors) {
    std::string role = role_of(tensor.info->name);
    if (!role.empty() && seen.insert(role).second) roles.push_back(role);
  }
  return roles;
}

std::vector<std::string> roles_present(TensorList tensors) {
  std::map<std::string, size_t> counts;
  for (const Model::Located& tensor : tensors) ++counts[role_of(tensor.info->name)];
  std::vector<std::string> roles = specific_roles(tensors);
  for (std::string& role : roles) role = fmt::format("{} ({})", printable(role), counts[role]);
  return roles;
}

std::vector<int> layers_present(TensorList tensors) {
  std::set<int> layers;
  for (const Model::Located& tensor : tensors) {
    if (auto layer = layer_of(tensor.info->name)) layers.insert(*layer);
  }
  return {layers.begin(), layers.end()};
}

}  // namespace fakequant
