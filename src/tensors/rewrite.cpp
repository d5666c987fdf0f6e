#include "tensors/rewrite.h"

#include <fmt/format.h>

#include "engine/codec.h"

namespace fakequant {

namespace {

std::vector<StampEntry> stamp_of(const Model& model, const Plan& plan, size_t shard_index,
                                 std::optional<uint64_t> seed) {
  std::string lines;
  for (const PlannedTensor& planned : plan.tensors) {
    const Model::Located& tensor = model.tensors()[planned.tensor_index];
    if (tensor.shard_index == shard_index)
      lines += fmt::format("{} = {}\n", tensor.info->name, planned.format.name);
  }
  std::vector<StampEntry> stamp{{"fakequant.version", FAKEQUANT_VERSION},
                                {"fakequant.llama_cpp", llama_version()},
                                {"fakequant.tensors", lines}};
  if (seed) stamp.push_back({"fakequant.seed", std::to_string(*seed)});
  return stamp;
}

// The planned tensors of each shard, as (plan index, index in the shard).
struct ShardWork {
  std::vector<std::pair<size_t, size_t>> tensors;
  std::vector<bool> rewritten;
};

std::vector<ShardWork> split_by_shard(const Model& model, const Plan& plan) {
  std::vector<ShardWork> work(model.shards().size());
  for (size_t s = 0; s < work.size(); ++s)
    work[s].rewritten.assign(model.shards()[s].tensors().size(), false);
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const Model::Located& tensor = model.tensors()[plan.tensors[i].tensor_index];
    const std::vector<TensorInfo>& all = model.shards()[tensor.shard_index].tensors();
    auto index = static_cast<size_t>(tensor.info - all.data());
    work[tensor.shard_index].tensors.emplace_back(i, index);
    work[tensor.shard_index].rewritten[index] = true;
  }
  return work;
}

}  // namespace

RewritePlan plan_rewrite(const Model& model, const Plan& plan, PlannedRounders& rounders,
                         const std::string& output, const RewriteOptions& options) {
  RewritePlan result;
  result.types = decide_storage(model, plan, rounders, options.progress);
  result.outputs = shard_output_names(output, model.shards().size());
  size_t first_tensor = 0;
  for (size_t s = 0; s < model.shards().size(); ++s) {
    const GgufFile& shard = model.shards()[s];
    std::span<const TensorType> types(result.types.data() + first_tensor, shard.tensors().size());
    first_tensor += shard.tensors().size();
    std::vector<StampEntry> stamp;
    if (options.stamp) stamp = stamp_of(model, plan, s, options.stamp_seed);
    result.layouts.push_back(plan_layout(shard, types, stamp));
    result.bytes_before += shard.size();
    result.bytes_after += result.layouts.back().size;
  }
  return result;
}

RewriteResult rewrite(const Model& model, const Plan& plan, PlannedRounders& rounders,
                      const RewritePlan& layout, const RewriteOptions& options) {
  std::vector<std::string> inputs = model.paths();
  inputs.insert(inputs.end(), options.inputs.begin(), options.inputs.end());
  for (const std::string& output : layout.outputs)
    check_output(output, inputs, options.force, layout.bytes_after);

  uint64_t work_bytes = 0;
  for (const PlannedTensor& planned : plan.tensors)
    work_bytes += model.tensors()[planned.tensor_index].info->data_bytes;
  Progress progress("quantize", work_bytes, options.progress);
  RewriteResult result;
  result.tensors.resize(plan.tensors.size());
  std::vector<ShardWork> work = split_by_shard(model, plan);
  std::vector<PendingFile> files;
  for (size_t s = 0; s < work.size(); ++s) {
    files.push_back(
        write_untouched(model.shards()[s], layout.layouts[s], work[s].rewritten, layout.outputs[s]));
    PendingFile& file = files.back();
    for (auto [plan_index, shard_tensor] : work[s].tensors) {
      const PlannedTensor& planned = plan.tensors[plan_index];
      const TensorLayout& place = layout.layouts[s].tensors[shard_tensor];
      StorageJob job{view_of(model, planned.tensor_index), planned, rounders.at(plan_index), place.type,
                     options.epsilon};
      auto write = [&](uint64_t offset, std::span<const std::byte> bytes) {
        file.write(place.data_offset + offset, bytes);
      };
      result.tensors[plan_index] = store_tensor(job, write, progress);
      result.tensors[plan_index].plan_index = plan_index;
    }
    if (options.sync) files.back().sync();
  }
  for (const TensorResult& tensor : result.tensors) result.total.merge(tensor.difference);
  // The first shard is the one that a loader opens: it appears last, when the others are there.
  for (size_t s = files.size(); s-- > 0;) files[s].publish(options.force);
  return result;
}

}  // namespace fakequant
