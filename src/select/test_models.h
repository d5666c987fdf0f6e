#pragma once
// Tensor lists of the shapes that real models have, for the tests of this folder.

#include <deque>
#include <string>
#include <vector>

#include "select/roles.h"

namespace fakequant::testing {

// A list of tensors without a file.
class TestModel {
 public:
  TestModel& add(const std::string& name, std::vector<int64_t> shape, TensorType type = TensorType::F32) {
    TensorInfo info{};
    info.name = name;
    info.type = type;
    info.row_length = shape.empty() ? 1 : shape[0];
    info.value_count = 1;
    for (int64_t length : shape) info.value_count *= length;
    info.row_count = info.row_length == 0 ? 0 : info.value_count / info.row_length;
    const TypeFacts& facts = facts_of(type);
    info.data_bytes = static_cast<uint64_t>(info.value_count) / facts.block_values * facts.block_bytes;
    info.shape = std::move(shape);
    infos_.push_back(std::move(info));
    located_.push_back({0, &infos_.back()});
    return *this;
  }

  // Adds "blk.N.<part>" for every layer.
  TestModel& add_blocks(int layers, const std::vector<std::pair<std::string, std::vector<int64_t>>>& parts) {
    for (int layer = 0; layer < layers; ++layer) {
      for (const auto& [part, shape] : parts) add("blk." + std::to_string(layer) + "." + part, shape);
    }
    return *this;
  }

  TensorList tensors() const { return located_; }

  std::vector<std::string> names(const std::vector<size_t>& indices) const {
    std::vector<std::string> result;
    for (size_t index : indices) result.push_back(infos_[index].name);
    return result;
  }

 private:
  std::deque<TensorInfo> infos_;  // a deque: pointers into it stay valid
  std::vector<Model::Located> located_;
};

inline TestModel llama(int layers = 3) {
  TestModel model;
  model.add("token_embd.weight", {64, 512}).add("rope_freqs.weight", {32});
  model.add_blocks(layers, {{"attn_norm.weight", {64}},
                            {"attn_q.weight", {64, 64}},
                            {"attn_k.weight", {64, 32}},
                            {"attn_v.weight", {64, 32}},
                            {"attn_output.weight", {64, 64}},
                            {"ffn_norm.weight", {64}},
                            {"ffn_gate.weight", {64, 172}},
                            {"ffn_up.weight", {64, 172}},
                            {"ffn_down.weight", {172, 64}}});
  model.add("output_norm.weight", {64}).add("output.weight", {64, 512});
  return model;
}

// No output.weight: the head is token_embd.
inline TestModel gemma3(int layers = 2) {
  TestModel model;
  model.add("token_embd.weight", {64, 512});
  model.add_blocks(layers, {{"attn_norm.weight", {64}},
                            {"attn_q.weight", {64, 64}},
                            {"attn_q_norm.weight", {16}},
                            {"attn_k_norm.weight", {16}},
                            {"post_attention_norm.weight", {64}},
                            {"ffn_norm.weight", {64}},
                            {"ffn_up.weight", {64, 128}},
                            {"post_ffw_norm.weight", {64}}});
  model.add("output_norm.weight", {64});
  return model;
}

// Fused attention, biases, long and short rope factors.
inline TestModel phi(int layers = 2) {
  TestModel model;
  model.add("token_embd.weight", {64, 512}).add("rope_factors_long.weight", {8});
  model.add_blocks(layers, {{"attn_norm.weight", {64}},
                            {"attn_norm.bias", {64}},
                            {"attn_qkv.weight", {64, 192}},
                            {"attn_qkv.bias", {192}},
                            {"attn_output.weight", {64, 64}},
                            {"ffn_norm.weight", {64}},
                            {"ffn_norm.bias", {64}},
                            {"ffn_up.weight", {64, 128}},
                            {"ffn_up.bias", {128}},
                            {"ffn_down.weight", {128, 64}}});
  model.add("output_norm.weight", {64}).add("output.weight", {64, 512}).add("output.bias", {512});
  return model;
}

inline TestModel mixtral(int layers = 2) {
  TestModel model;
  model.add("token_embd.weight", {64, 512});
  model.add_blocks(layers, {{"attn_norm.weight", {64}},
                            {"attn_q.weight", {64, 64}},
                            {"ffn_norm.weight", {64}},
                            {"ffn_gate_inp.weight", {64, 8}},
                            {"ffn_gate_exps.weight", {64, 96, 8}},
                            {"ffn_up_exps.weight", {64, 96, 8}},
                            {"ffn_down_exps.weight", {96, 64, 8}}});
  model.add("output_norm.weight", {64}).add("output.weight", {64, 512});
  return model;
}

inline TestModel mamba(int layers = 2) {
  TestModel model;
  model.add("token_embd.weight", {64, 512});
  model.add_blocks(layers, {{"attn_norm.weight", {64}},
                            {"ssm_in.weight", {64, 256}},
                            {"ssm_conv1d.weight", {4, 128}},
                            {"ssm_conv1d.bias", {128}},
                            {"ssm_x.weight", {128, 36}},
                            {"ssm_dt.weight", {4, 128}},
                            {"ssm_dt.bias", {128}},
                            {"ssm_a", {16, 128}},
                            {"ssm_d", {128}},
                            {"ssm_out.weight", {128, 64}}});
  model.add("output_norm.weight", {64});
  return model;
}

// Multi-head latent attention, a dense first layer, shared and routed experts.
inline TestModel deepseek() {
  TestModel model;
  model.add("token_embd.weight", {64, 512});
  model.add_blocks(2, {{"attn_norm.weight", {64}},
                       {"attn_q_a.weight", {64, 48}},
                       {"attn_q_a_norm.weight", {48}},
                       {"attn_q_b.weight", {48, 96}},
                       {"attn_kv_a_mqa.weight", {64, 40}},
                       {"attn_kv_a_norm.weight", {32}},
                       {"attn_k_b.weight", {32, 32, 4}},
                       {"attn_v_b.weight", {32, 32, 4}},
                       {"attn_output.weight", {64, 64}},
                       {"ffn_norm.weight", {64}}});
  model.add("blk.0.ffn_up.weight", {64, 128});
  model.add("blk.1.ffn_gate_inp.weight", {64, 8}).add("blk.1.exp_probs_b.bias", {8});
  model.add("blk.1.ffn_up_exps.weight", {64, 32, 8}).add("blk.1.ffn_up_shexp.weight", {64, 32});
  model.add("output_norm.weight", {64}).add("output.weight", {64, 512});
  return model;
}

}  // namespace fakequant::testing
