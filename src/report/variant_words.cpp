#include "report/variant_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "report/figures.h"

namespace fakequant::report {

std::string perplexity_words(const DivergenceResult& result, Verdict verdict) {
  if (verdict == Verdict::unmeasured) return "not a number";
  if (verdict == Verdict::same) return "the same";
  double ratio = *result.ln_ppl_ratio.value;
  constexpr double kManyTimes = 10;
  if (std::exp(ratio) >= kManyTimes) return fmt::format("{} times the baseline's", figure(std::exp(ratio)));
  double change = std::expm1(ratio);
  std::optional<double> error = result.ln_ppl_ratio.error();
  if (error) error = *error * std::exp(ratio);
  // The sign is in the words.
  std::string amount = percent_with_error(std::abs(change), error);
  if (verdict == Verdict::noise && error && std::abs(change) < *error / 2)
    return fmt::format("the same within its error of {}", percent_figure(error));
  if (verdict == Verdict::noise)
    return fmt::format("{} {}, which is noise", amount, change < 0 ? "lower" : "higher");
  if (verdict == Verdict::unclear) return fmt::format("{} {}", amount, change < 0 ? "lower" : "higher");
  return fmt::format("{} {}", amount, verdict == Verdict::better ? "better" : "worse");
}

std::string flip_words(const DivergenceResult& result) {
  if (result.flips == 0) return "no top token flips";
  return fmt::format("{} of top tokens flip", percent_figure(result.flip_share));
}

std::string introduction(const RunReport& report, const ReportVariant& variant) {
  constexpr double kBitsThatCount = 0.05;
  std::vector<std::string> facts;
  auto names = [&](const std::string& word) { return variant.name.find(word) != std::string::npos; };
  bool says_it = !variant.format.empty() && names(variant.format) && names(variant.tensors);
  if (!variant.what.empty() && variant.what != variant.name && !says_it) facts.push_back(variant.what);
  if (variant.model_bits &&
      variant.model_bits->per_weight() <= report.models[variant.model].bits_per_weight - kBitsThatCount) {
    facts.push_back(fmt::format("{:.2f} bits per weight of the model", variant.model_bits->per_weight()));
  }
  std::string name = report.label(variant);
  return facts.empty() ? name : fmt::format("{} ({})", name, join(facts, ", "));
}

std::string file_name(const std::string& path) {
  size_t slash = path.find_last_of('/');
  return slash == std::string::npos || slash + 1 == path.size() ? path : path.substr(slash + 1);
}

std::vector<size_t> lines_of(const ReportVariant& variant) {
  std::vector<size_t> lines;
  for (const DivergenceResult& result : variant.divergences) lines.push_back(result.line);
  return lines;
}

std::vector<const ReportVariant*> own_variants(const RunReport& report) {
  std::vector<const ReportVariant*> result;
  for (const ReportVariant& variant : report.variants) {
    if (!variant.is_control) result.push_back(&variant);
  }
  return result;
}

std::string list_of(const std::vector<std::string>& names) {
  constexpr size_t kMost = 6, kShown = 4;
  if (names.empty()) return "";
  // Names with commas of their own need another mark between them.
  bool commas = std::any_of(names.begin(), names.end(),
                            [](const std::string& name) { return name.find(',') != std::string::npos; });
  const char* separator = commas ? "; " : ", ";
  const char* last = commas ? "; and " : " and ";
  if (names.size() > kMost) {
    std::vector<std::string> first(names.begin(), names.begin() + kShown);
    return fmt::format("{}{}{} more", join(first, separator), last, names.size() - kShown);
  }
  if (names.size() == 1) return names[0];
  std::vector<std::string> all_but_last(names.begin(), names.end() - 1);
  return fmt::format("{}{}{}", join(all_but_last, separator), last, names.back());
}

bool changed_nothing(const ReportVariant& variant) {
  return variant.difference && variant.difference->total.count > 0 &&
         variant.difference->total.changed_count == 0;
}

bool changed_something(const ReportVariant& variant) {
  return variant.difference && variant.difference->total.changed_count > 0;
}

}  // namespace fakequant::report
