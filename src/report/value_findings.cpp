// What happened to values: NaN and Inf, saturation, types that cannot hold them.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "report/figures.h"
#include "report/finding_kinds.h"
#include "report/variant_words.h"

namespace fakequant::report {
namespace {

// Names of a variant's tensors for which count is above 0, and the sum of it.
struct Affected {
  std::vector<std::string> names;
  uint64_t values = 0;
};

Affected affected(const DifferenceResult& difference, uint64_t DifferenceMeasures::*count) {
  Affected result;
  for (const TensorDifference& tensor : difference.tensors) {
    if (tensor.measures.*count == 0) continue;
    result.names.push_back(tensor.name);
    result.values += tensor.measures.*count;
  }
  return result;
}

}  // namespace

void find_nonfinite(const RunReport& report, FindingList& list) {
  for (const ReportVariant& variant : report.variants) {
    std::string name = report.label(variant);
    if (variant.difference && variant.difference->total.new_nonfinite > 0) {
      Affected tensors = affected(*variant.difference, &DifferenceMeasures::new_nonfinite);
      uint64_t count = variant.difference->total.new_nonfinite;
      list.add(fmt::format("{}: {} that {} finite before {} NaN or Inf after rounding, in {}.", name,
                           counted(count, "value"), for_count(count, "was", "were"),
                           for_count(count, "is", "are"), list_of(tensors.names)),
               {variant.difference->line});
    }
    if (variant.load && variant.load->nonfinite > 0) {
      list.add(fmt::format("{}: llama.cpp computed NaN or Inf when it generated with the file.", name),
               {variant.load->line});
    }
    for (const DivergenceResult& result : variant.divergences) {
      if (result.ln_ppl_ratio.value && result.kld_mean.value) continue;
      list.add(fmt::format("{}: perplexity or KL divergence on {} is no finite number.", name,
                           report.texts[result.text].name),
               {result.line});
    }
  }
}

void find_saturated(const RunReport& report, FindingList& list) {
  for (const ReportVariant& variant : report.variants) {
    if (!variant.difference) continue;
    Affected tensors = affected(*variant.difference, &DifferenceMeasures::saturated_infinities);
    if (tensors.names.empty()) continue;
    const char* many = tensors.values == 1 ? "1 infinity" : "infinities";
    std::string count = tensors.values == 1 ? many : fmt::format("{} {}", format_count(tensors.values), many);
    list.add(
        fmt::format(
            "{}: {} of the model became the largest value of the format, in {}: the file no longer shows {}.",
            report.label(variant), count, list_of(tensors.names), for_count(tensors.values, "it", "them")),
        {variant.difference->line});
  }
}

void find_store_errors(const RunReport& report, FindingList& list) {
  std::vector<std::string> names;
  std::vector<size_t> lines;
  double largest = 0;
  for (const ReportVariant& variant : report.variants) {
    if (!variant.difference ||
        affected(*variant.difference, &DifferenceMeasures::store_changed_count).names.empty())
      continue;
    names.push_back(report.label(variant));
    lines.push_back(variant.difference->line);
    for (const TensorDifference& tensor : variant.difference->tensors) {
      largest = std::max(largest, tensor.measures.store_max_abs);
    }
  }
  if (names.empty()) return;
  list.add(fmt::format("In {} the type in the file cannot hold every rounded value; storing adds up to {} to "
                       "the differences, and all "
                       "results are of what the file holds. Storing with auto widens where needed.",
                       list_of(names), figure(largest)),
           std::move(lines));
}

void find_unfit_tensors(const RunReport& report, FindingList& list) {
  for (const ReportVariant& variant : report.variants) {
    if (!variant.difference || variant.difference->skipped.empty()) continue;
    const std::vector<std::string>& names = variant.difference->skipped;
    list.add(fmt::format("{}: {} not fit {} format and stayed as {}: {}.", report.label(variant),
                         names.size() == 1 ? "1 tensor does" : fmt::format("{} tensors do", names.size()),
                         for_count(names.size(), "its", "their"),
                         for_count(names.size(), "it was", "they were"), list_of(names)),
             {variant.difference->line});
  }
}

}  // namespace fakequant::report
