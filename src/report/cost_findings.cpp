// What changes cost: how far the models are from the unchanged one, which is the farthest, and how small one may be.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "report/figures.h"
#include "report/finding_kinds.h"
#include "report/variant_words.h"

namespace fakequant::report {
namespace {

constexpr std::pair<Verdict, const char*> kVerdictWords[] = {
    {Verdict::worse, "worse beyond noise"},
    {Verdict::better, "better beyond noise"},
    {Verdict::unclear, "different, with no error known,"},
    {Verdict::unmeasured, "not a number"},
    {Verdict::noise, "within noise"},
    {Verdict::same, "the same"}};

// Variants that changed something, or may have, and were measured on a text.
std::vector<const ReportVariant*> measured_variants(const RunReport& report) {
  std::vector<const ReportVariant*> measured;
  for (const ReportVariant* variant : own_variants(report)) {
    if (!variant->divergences.empty() && !changed_nothing(*variant)) measured.push_back(variant);
  }
  return measured;
}

// The sentence of one variant over its texts.
void add_cost(const RunReport& report, const ReportVariant& variant, FindingList& list) {
  std::vector<std::string> parts;
  for (const DivergenceResult& result : variant.divergences) {
    Verdict verdict = judge(result, control_of(report, variant, result));
    std::string where = variant.divergences.size() > 1 ? "on " + report.texts[result.text].name + " " : "";
    std::string text = fmt::format("{}perplexity is {}", where, perplexity_words(result, verdict));
    if (verdict != Verdict::same) {
      text += fmt::format(", {}, mean KLD {}", flip_words(result), figure(result.kld_mean.value));
    }
    parts.push_back(std::move(text));
  }
  list.add(fmt::format("{}: {}.", introduction(report, variant), join(parts, "; ")), lines_of(variant));
}

// A variant on a text, for the ends of many.
struct Judged {
  const ReportVariant* variant;
  const DivergenceResult* result;

  double kld() const { return result->kld_mean.value.value_or(std::numeric_limits<double>::infinity()); }
};

// "q3_k on wiki.txt: perplexity 0.65 % +/- 0.21 % worse, 5.61 % of top tokens flip, mean KLD 0.01072"
std::string words_of(const RunReport& report, const Judged& judged) {
  const DivergenceResult& result = *judged.result;
  std::string where = report.texts.size() > 1 ? " on " + report.texts[result.text].name : "";
  Verdict verdict = judge(result, control_of(report, *judged.variant, result));
  return fmt::format("{}{} (perplexity {}, {}, mean KLD {})", report.label(*judged.variant), where,
                     perplexity_words(result, verdict), flip_words(result), figure(result.kld_mean.value));
}

// What all have in common, as the begin of a sentence about perplexity: "With ffn_norm in bf16:rtz, p"; else "P".
std::string common_change(const std::vector<const ReportVariant*>& variants) {
  const ReportVariant& first = *variants.front();
  auto all_have = [&](const std::string ReportVariant::*field) {
    return !(first.*field).empty() &&
           std::all_of(variants.begin(), variants.end(),
                       [&](const ReportVariant* variant) { return variant->*field == first.*field; });
  };
  if (!all_have(&ReportVariant::tensors)) return "P";
  if (!all_have(&ReportVariant::format)) return fmt::format("With {} rounded, p", first.tensors);
  return fmt::format("With {} in {}, p", first.tensors, first.format);
}

// "Perplexity is worse beyond noise in 7 of 19 variants (a, b, c and 4 more), within noise in 12."
void add_overview(const RunReport& report, const std::vector<const ReportVariant*>& variants,
                  FindingList& list) {
  std::vector<std::string> parts;
  std::vector<size_t> lines;
  for (const auto& [verdict, words] : kVerdictWords) {
    std::vector<std::string> names;
    for (const ReportVariant* variant : variants) {
      if (judge(report, *variant) == verdict) names.push_back(report.label(*variant));
    }
    if (names.empty()) continue;
    bool holds_everywhere = verdict == Verdict::noise || verdict == Verdict::same;
    const char* where = report.texts.size() < 2 ? "" : holds_everywhere ? " on every text" : " on some text";
    if (names.size() == variants.size()) {
      parts.push_back(fmt::format("{}{} in all {} variants", words, where, names.size()));
    } else {
      std::string of = parts.empty() ? fmt::format(" of {} variants", variants.size()) : "";
      parts.push_back(fmt::format("{}{} in {}{} ({})", words, where, names.size(), of, list_of(names)));
    }
  }
  for (const ReportVariant* variant : variants) {
    for (size_t line : lines_of(*variant)) lines.push_back(line);
  }
  constexpr size_t kMostLines = 8;
  if (lines.size() > kMostLines) lines.clear();  // the table has them
  list.add(fmt::format("{}erplexity is {}.", common_change(variants), join(parts, ", ")), std::move(lines));
}

// Both ends of many, by divergence: perplexity can be near the baseline's by chance, distributions cannot.
void add_ends(const RunReport& report, const std::vector<const ReportVariant*>& variants, FindingList& list) {
  std::vector<Judged> all;
  for (const ReportVariant* variant : variants) {
    for (const DivergenceResult& result : variant->divergences) {
      if (judge(result, nullptr) != Verdict::same) all.push_back({variant, &result});
    }
  }
  if (all.empty()) return;
  auto [least, most] = std::minmax_element(
      all.begin(), all.end(), [](const Judged& a, const Judged& b) { return a.kld() < b.kld(); });
  list.add(fmt::format("The farthest from the baseline is {}; the closest is {}.", words_of(report, *most),
                       words_of(report, *least)),
           {most->result->line, least->result->line});
}

// Whether every text was measured and no difference is beyond noise.
bool is_harmless(const RunReport& report, const ReportVariant& variant) {
  if (variant.divergences.size() != report.texts.size() || variant.divergences.empty()) return false;
  return std::all_of(variant.divergences.begin(), variant.divergences.end(),
                     [&](const DivergenceResult& result) {
                       Verdict verdict = judge(result, control_of(report, variant, result));
                       return verdict == Verdict::noise || verdict == Verdict::same;
                     });
}

double mean_kld(const ReportVariant& variant) {
  double sum = 0;
  for (const DivergenceResult& result : variant.divergences) {
    sum += result.kld_mean.value.value_or(std::numeric_limits<double>::infinity());
  }
  return sum / static_cast<double>(variant.divergences.size());
}

double bits_of(const ReportVariant& variant) {
  return variant.model_bits->per_weight();
}

// Those of known size, the smallest first; of one size the closest to the baseline first.
std::vector<const ReportVariant*> by_size(const RunReport& report) {
  std::vector<const ReportVariant*> sized = measured_variants(report);
  std::erase_if(sized, [](const ReportVariant* variant) { return !variant->model_bits; });
  std::stable_sort(sized.begin(), sized.end(), [](const ReportVariant* a, const ReportVariant* b) {
    return std::pair(bits_of(*a), mean_kld(*a)) < std::pair(bits_of(*b), mean_kld(*b));
  });
  return sized;
}

std::string beaten_words(size_t count) {
  return count == 1 ? "The other one is beaten" : fmt::format("The other {} are beaten", count);
}

constexpr double kBitsThatCount = 0.05;  // per weight of the whole model: less is no saving worth a word

}  // namespace

void find_cost(const RunReport& report, FindingList& list) {
  constexpr size_t kFewVariants = 2;
  std::vector<const ReportVariant*> measured = measured_variants(report);
  if (measured.size() > kFewVariants) {
    add_overview(report, measured, list);
    add_ends(report, measured, list);
    return;
  }
  for (const ReportVariant* variant : measured) add_cost(report, *variant, list);
}

namespace {

void find_best_of(const RunReport& report, size_t model_index, FindingList& list) {
  std::vector<const ReportVariant*> sized = by_size(report);
  std::erase_if(sized, [&](const ReportVariant* variant) { return variant->model != model_index; });
  if (sized.size() < 2) return;
  std::string of = report.models.size() > 1 ? " of " + report.models[model_index].name : "";
  double model = report.models[sized.front()->model].bits_per_weight;
  if (bits_of(*sized.front()) > model - kBitsThatCount) return;  // nothing is saved
  auto best = std::find_if(sized.begin(), sized.end(),
                           [&](const ReportVariant* variant) { return is_harmless(report, *variant); });
  if (best == sized.end()) {
    const ReportVariant* gentlest = *std::min_element(
        sized.begin(), sized.end(),
        [](const ReportVariant* a, const ReportVariant* b) { return mean_kld(*a) < mean_kld(*b); });
    list.add(fmt::format("No variant{} stays within noise; the least divergence is that of {}, mean KLD {}.",
                         of, introduction(report, *gentlest), figure(mean_kld(*gentlest))),
             lines_of(*gentlest));
    return;
  }
  double own = report.models[(*best)->model].bits_per_weight;
  if (bits_of(**best) > own - kBitsThatCount) return;
  double flips = 0;
  for (const DivergenceResult& result : (*best)->divergences) flips = std::max(flips, result.flip_share);
  list.add(fmt::format(
               "The smallest whose perplexity stays within noise is {}: {:.2f} bits per weight of the whole "
               "model instead of {:.2f}, and {} of top tokens {}.",
               report.label(**best), bits_of(**best), own, flips == 0 ? "none" : percent_figure(flips),
               flips == 0 ? "flips" : "flip"),
           lines_of(**best));
}

}  // namespace

void find_best(const RunReport& report, FindingList& list) {
  for (size_t model = 0; model < report.models.size(); ++model) find_best_of(report, model, list);
}

void find_frontier(const RunReport& report, FindingList& list) {
  constexpr size_t kFewestVariants = 4;
  std::vector<const ReportVariant*> sized = by_size(report);
  if (sized.size() < kFewestVariants || report.models.size() > 1) return;
  if (bits_of(*sized.back()) - bits_of(*sized.front()) < kBitsThatCount) return;
  std::vector<std::string> names;
  std::vector<size_t> lines;
  double closest = std::numeric_limits<double>::infinity();
  for (const ReportVariant* variant : sized) {
    if (!(mean_kld(*variant) < closest)) continue;
    closest = mean_kld(*variant);
    names.push_back(fmt::format("{} ({:.2f})", report.label(*variant), bits_of(*variant)));
    for (size_t line : lines_of(*variant)) lines.push_back(line);
  }
  list.add(
      fmt::format(
          "Worth their bits, as no variant is both smaller and closer to the baseline: {}, from the "
          "smallest up, with bits per weight of the model. {}.",
          join(names, ", "),
          names.size() == sized.size() ? "That is all of them" : beaten_words(sized.size() - names.size())),
      std::move(lines));
}

}  // namespace fakequant::report
