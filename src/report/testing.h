#pragma once
// Small reports with numbers chosen by hand, for tests.

#include <fmt/format.h>

#include <string>
#include <utility>

#include "report/run_report.h"

namespace fakequant::report::testing {

// One model of 16 bits per weight, one text, no variants.
inline RunReport empty_report() {
  RunReport report;
  report.folder = "run";
  report.experiment_line = 2;
  report.title = "a title";
  ReportModel model;
  model.id = "m1";
  model.name = "tiny";
  model.weights = 1000;
  model.bits_per_weight = 16;
  report.models.push_back(std::move(model));
  report.texts.push_back({"t1", "text.txt", "hash", 100});
  return report;
}

inline TensorDifference tensor_difference(std::string name, uint64_t count, uint64_t changed_count) {
  TensorDifference tensor;
  tensor.name = std::move(name);
  tensor.format = "bf16:rtz";
  tensor.type_before = tensor.type_after = "F32";
  tensor.effective_before = tensor.effective_after = "bf16";
  tensor.role = "ffn_norm";
  tensor.layer = 0;
  tensor.bits_per_weight = 16;
  tensor.measures.count = count;
  tensor.measures.changed_count = changed_count;
  tensor.measures.mean_rel = changed_count == 0 ? 0 : 0.003;
  return tensor;
}

// A variant whose one tensor of 100 values has so many that changed; from journal line 10.
inline ReportVariant& add_variant(RunReport& report, const std::string& name, uint64_t changed_count) {
  ReportVariant variant;
  variant.id = fmt::format("v{}", report.variants.size() + 1);
  variant.name = name;
  variant.what = "ffn_norm in bf16:rtz";
  variant.model_bits = BitCount{8000, 1000};
  DifferenceResult difference;
  difference.line = 10;
  difference.tensors.push_back(tensor_difference("blk.0.ffn_norm.weight", 100, changed_count));
  difference.total = difference.tensors[0].measures;
  variant.difference = std::move(difference);
  report.variants.push_back(std::move(variant));
  return report.variants.back();
}

// A result on the first text, from journal line 20: ln ratio with its error over chunks, mean KLD, and 1 flip of 100 tokens where that is not 0.
inline DivergenceResult& add_divergence(ReportVariant& variant, double ln_ratio, double error, double kld) {
  DivergenceResult result;
  result.line = 20;
  result.chunks = 10;
  result.scored_tokens = 100;
  result.perplexity.value = 10;
  result.ln_ppl_ratio = {.value = ln_ratio, .error_tokens = error / 2, .error_chunks = error};
  result.kld_mean.value = kld;
  result.flips = kld == 0 ? 0 : 1;
  result.flip_share = kld == 0 ? 0 : 0.01;
  variant.divergences.push_back(std::move(result));
  return variant.divergences.back();
}

// Texts of the model alone and of the variant, from journal line 30.
inline void add_texts(ReportVariant& variant, uint64_t texts, uint64_t identical, uint64_t near_ties) {
  GenerationResult generation;
  generation.line = 30;
  generation.texts.resize(texts);
  for (uint64_t i = 0; i < identical; ++i) generation.texts[i].identical = true;
  generation.identical = identical;
  generation.near_ties = near_ties;
  variant.generation = std::move(generation);
}

}  // namespace fakequant::report::testing
