#include "experiment/variant_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "tensors/plan_remarks.h"
#include "tensors/rounder.h"
#include "tensors/storage.h"

namespace fakequant {
namespace {

// make_plan begins a problem with its rule's name; of a variant of one rule that is the variant's, which is told anyway.
std::string without_prefix(std::string text, const std::string& prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

// Words of the command line as an experiment file has them.
std::string in_file_words(std::string text) {
  constexpr std::string_view kOption = "--imatrix";
  size_t place = text.find(kOption);
  return place == std::string::npos ? text : text.replace(place, kOption.size(), "imatrix in [settings]");
}

std::string unfit_text(const Plan& plan, TensorList tensors) {
  constexpr size_t kMost = 5;
  std::vector<std::string> parts;
  for (size_t i = 0; i < std::min(plan.skipped.size(), kMost); ++i) {
    const SkippedTensor& skipped = plan.skipped[i];
    parts.push_back(fmt::format("{} cannot become {}: {}",
                                printable(tensors[skipped.tensor_index].info->name), skipped.format,
                                skipped.reason));
  }
  if (plan.skipped.size() > kMost) parts.push_back(fmt::format("and {} more", plan.skipped.size() - kMost));
  return join(parts, "; ") + "; skip_unfit = true leaves such tensors as they are";
}

// llama.cpp ends the process when its kernels meet such tensors.
void check_one_dimensional(const Plan& plan, TensorList tensors) {
  for (const PlannedTensor& planned : plan.tensors) {
    const TensorInfo& info = *tensors[planned.tensor_index].info;
    bool is_half = planned.store == Store::f16 || planned.store == Store::bf16;
    if (!is_half || info.shape.size() > 1 || lower(name_of(info.type)) == name_of(planned.store)) continue;
    throw Error(
        "store: {} would put '{}' into {}, wanted f32 for a tensor of one dimension: llama.cpp's kernels "
        "take no other",
        name_of(planned.store), printable(info.name), name_of(planned.store));
  }
}

}  // namespace

std::string what_of(const ConfigVariant& variant) {
  std::vector<std::string> parts;
  if (variant.model) {
    parts.push_back(variant.model->name + " as it is");
  } else if (!variant.recipe_file.empty()) {
    parts.push_back("recipe " + variant.recipe_file);
  } else if (!variant.format.empty()) {
    bool is_one = variant.layers.find_first_not_of("0123456789") == std::string::npos;
    std::string layers =
        variant.layers == "all" ? "all layers" : (is_one ? "layer " : "layers ") + variant.layers;
    std::string where = variant.tensors.empty() ? layers : variant.tensors;
    if (!variant.tensors.empty() && !variant.layers.empty()) where += " of " + layers;
    parts.push_back(fmt::format("{} in {}", where, variant.format));
  } else if (!variant.rules.empty()) {
    parts.push_back(counted(variant.rules.size(), "rule"));
  }
  if (variant.store != Store::keep) parts.push_back(fmt::format("stored as {}", name_of(variant.store)));
  if (variant.cache_k) parts.push_back("keys cached as " + lower(name_of(*variant.cache_k)));
  if (variant.cache_v) parts.push_back("values cached as " + lower(name_of(*variant.cache_v)));
  return join(parts, ", ");
}

std::string missing_layers(const std::vector<Rule>& rules, const Model& model) {
  std::vector<int> known = layers_present(model.tensors());
  for (const Rule& rule : rules) {
    if (!rule.layers) continue;
    try {
      rule.layers->check(known);
    } catch (const Error& error) {
      return error.what();
    }
  }
  return "";
}

Plan plan_variant(const ConfigVariant& variant, const Model& model) {
  Plan plan;
  try {
    plan = make_plan(model.tensors(), variant.rules, {.store = variant.store, .skip_unfit = true});
  } catch (const Error& error) {
    throw Error("{}", without_prefix(error.what(), variant.name + ": "));
  }
  if (!plan.skipped.empty() && !variant.skip_unfit) throw Error("{}", unfit_text(plan, model.tensors()));
  check_one_dimensional(plan, model.tensors());
  return plan;
}

void check_rounders(const Plan& plan, const Model& model, const ImportanceMatrix& importance) {
  for (const PlannedTensor& planned : plan.tensors) {
    const TensorInfo& info = *model.tensors()[planned.tensor_index].info;
    bool has_importance = planned.format.is_ggml() && !importance.weights_for(info).empty();
    try {
      Rounder::check(planned.format, info, has_importance);
    } catch (const Error& error) {
      throw Error("{}", in_file_words(error.what()));
    }
  }
}

std::vector<std::string> remarks_of(const Plan& plan, const Model& model,
                                    const ImportanceMatrix& importance) {
  PlannedRounders rounders(model, plan, importance, 0);
  return plan_remarks(plan, model.tensors(), rounders.without_importance(), "the importance matrix");
}

void check_vocabulary(const PlannedModel& model, const PlannedModel& baseline) {
  constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
  const MetadataEntry* ours = model.model.shards().front().find(kTokens);
  const MetadataEntry* theirs = baseline.model.shards().front().find(kTokens);
  if (ours == nullptr || theirs == nullptr || std::ranges::equal(ours->value, theirs->value)) return;
  throw Error(
      "found another vocabulary in {} ({} tokens) than in {} ({}), wanted the same: their distributions "
      "cannot be compared",
      printable(model.name), format_count(ours->element_count), printable(baseline.name),
      format_count(theirs->element_count));
}

}  // namespace fakequant
