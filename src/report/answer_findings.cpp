// What was changed and what it costs.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/text.h"
#include "report/figures.h"
#include "report/finding_kinds.h"
#include "report/variant_words.h"

namespace fakequant::report {
namespace {

constexpr std::pair<Verdict, const char*> kVerdictWords[] = {
    {Verdict::worse, "worse beyond noise"},
    {Verdict::better, "better beyond noise"},
    {Verdict::noise, "within noise"},
    {Verdict::unclear, "different, with no error known"},
    {Verdict::same, "the same"},
    {Verdict::unmeasured, "not a number"}};

// Names for people of precisions that have one: "bf16" is written BF16 beside types.
std::string precision_name(std::string name) {
  for (char& letter : name) {
    if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  }
  return name;
}

// The tensors of variants that changed nothing, and what they have in common.
struct UnchangedTensors {
  std::set<std::pair<size_t, std::string>> tensors;  // model and name
  std::set<std::string> roles, types, precisions, formats;

  void add(const ReportVariant& variant) {
    for (const TensorDifference& tensor : variant.difference->tensors) {
      tensors.emplace(variant.model, tensor.name);
      roles.insert(tensor.role);
      types.insert(tensor.type_before);
      precisions.insert(tensor.effective_before);
      formats.insert(tensor.format);
    }
  }

  // "all 6 ffn_norm tensors are stored as F32 and are BF16 in fact"
  std::string reason() const {
    size_t count = tensors.size();
    std::string whose = roles.size() == 1 && !roles.begin()->empty() ? *roles.begin() + " " : "";
    std::string subject = count == 1 ? fmt::format("the one {}tensor", whose)
                                     : fmt::format("all {} {}tensors", format_count(count), whose);
    std::string_view be = for_count(count, "is", "are");
    bool one_precision = precisions.size() == 1 && types.size() == 1 && !precisions.begin()->empty();
    if (one_precision && precision_name(*precisions.begin()) != *types.begin()) {
      return fmt::format("{} {} stored as {} and {} {} in fact", subject, be, *types.begin(), be,
                         precision_name(*precisions.begin()));
    }
    return fmt::format("every value of {} is one that the format has already", subject);
  }
};

// What follows for results where no value changed; "" where nothing was measured.
std::string unchanged_results(const std::vector<const ReportVariant*>& variants) {
  bool measured = false, same = true, wrote = false;
  for (const ReportVariant* variant : variants) {
    for (const DivergenceResult& result : variant->divergences) {
      measured = true;
      same = same && judge(result, nullptr) == Verdict::same;
    }
    if (!variant->generation) continue;
    wrote = true;
    same = same && variant->generation->identical == variant->generation->texts.size();
  }
  if (!same || !(measured || wrote)) return "";
  const char* what = !wrote     ? "Perplexity and every distribution are"
                     : measured ? "Perplexity and every text are"
                                : "Every text is";
  return fmt::format(
      " {} the same for that reason: this is a property of the model, not a fault of the measurement.", what);
}

// "test 1 (ffn_norm of layer 0 in bf16:rtz, 16.01 bits per weight)"; what was changed is left out where the name says it.
std::string introduction(const RunReport& report, const ReportVariant& variant) {
  std::vector<std::string> facts;
  bool says_it = !variant.format.empty() && variant.name.find(variant.format) != std::string::npos &&
                 variant.name.find(variant.tensors) != std::string::npos;
  if (!variant.what.empty() && variant.what != variant.name && !says_it) facts.push_back(variant.what);
  if (variant.model_bits) facts.push_back(bits_figure(variant.model_bits->per_weight()) + " bits per weight");
  std::string name = report.label(variant);
  return facts.empty() ? name : fmt::format("{} ({})", name, join(facts, ", "));
}

// The sentence of one variant over its texts.
void add_cost(const RunReport& report, const ReportVariant& variant, FindingList& list) {
  std::vector<std::string> parts;
  std::vector<size_t> lines;
  bool several = variant.divergences.size() > 1;
  for (const DivergenceResult& result : variant.divergences) {
    lines.push_back(result.line);
    Verdict verdict = judge(result, control_of(report, variant, result));
    std::string where = several ? "on " + report.texts[result.text].name + " " : "";
    std::string text = fmt::format("{}perplexity {}", where, perplexity_words(result, verdict));
    if (verdict != Verdict::same) {
      text += fmt::format(", {}, mean KLD {}", flip_words(result), figure(result.kld_mean.value));
    }
    parts.push_back(std::move(text));
  }
  list.add(fmt::format("{}: {}.", introduction(report, variant), join(parts, "; ")), std::move(lines));
}

// "Perplexity is worse beyond noise in a and b, within noise in c."
void add_overview(const RunReport& report, const std::vector<const ReportVariant*>& variants,
                  FindingList& list) {
  std::vector<std::string> parts;
  std::vector<size_t> lines;
  for (const auto& [verdict, words] : kVerdictWords) {
    std::vector<std::string> names;
    for (const ReportVariant* variant : variants) {
      if (judge(report, *variant) != verdict) continue;
      names.push_back(report.label(*variant));
      for (const DivergenceResult& result : variant->divergences) lines.push_back(result.line);
    }
    bool holds_everywhere = verdict == Verdict::noise || verdict == Verdict::same;
    const char* where = report.texts.size() < 2 ? "" : holds_everywhere ? " on every text" : " on some text";
    if (!names.empty()) parts.push_back(fmt::format("{}{} in {}", words, where, list_of(names)));
  }
  list.add(fmt::format("Perplexity is {}.", join(parts, "; ")), std::move(lines));
}

// A variant on a text with its verdict, for the summary of many.
struct Judged {
  const ReportVariant* variant;
  const DivergenceResult* result;
  Verdict verdict;

  double ratio() const { return result->ln_ppl_ratio.value.value_or(0); }
};

// "layer 3 mxfp4 on wiki.txt: perplexity 3.1 % +/- 0.4 % worse"
std::string words_of(const RunReport& report, const Judged& judged) {
  std::string where = report.texts.size() > 1 ? " on " + report.texts[judged.result->text].name : "";
  return fmt::format("{}{} (perplexity {}, {})", report.label(*judged.variant), where,
                     perplexity_words(*judged.result, judged.verdict), flip_words(*judged.result));
}

// One sentence over many variants: how many of each verdict, and both ends.
void add_summary(const RunReport& report, const std::vector<Judged>& all, size_t variants,
                 FindingList& list) {
  std::map<Verdict, size_t> counts;
  std::vector<size_t> lines;
  for (const Judged& judged : all) ++counts[judged.verdict];
  std::vector<std::string> parts;
  for (const auto& [verdict, words] : kVerdictWords) {
    if (counts[verdict] > 0) parts.push_back(fmt::format("{} in {}", words, format_count(counts[verdict])));
  }
  auto by_ratio = [](const Judged& a, const Judged& b) { return a.ratio() < b.ratio(); };
  const Judged& worst = *std::max_element(all.begin(), all.end(), by_ratio);
  const Judged& least = *std::min_element(all.begin(), all.end(), by_ratio);
  list.add(fmt::format("{} variants, {}: perplexity is {}. The most: {}. The least: {}.",
                       format_count(variants), counted(all.size(), "comparison"), join(parts, ", "),
                       words_of(report, worst), words_of(report, least)),
           {worst.result->line, least.result->line});
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
  for (const DivergenceResult& result : variant.divergences) sum += result.kld_mean.value.value_or(INFINITY);
  return sum / static_cast<double>(variant.divergences.size());
}

std::vector<size_t> lines_of(const ReportVariant& variant) {
  std::vector<size_t> lines;
  for (const DivergenceResult& result : variant.divergences) lines.push_back(result.line);
  return lines;
}

}  // namespace

void find_nothing_changed(const RunReport& report, FindingList& list) {
  std::vector<const ReportVariant*> variants;
  std::vector<std::string> names;
  std::vector<size_t> lines;
  UnchangedTensors unchanged;
  for (const ReportVariant* variant : own_variants(report)) {
    if (!changed_nothing(*variant)) continue;
    variants.push_back(variant);
    names.push_back(report.label(*variant));
    lines.push_back(variant->difference->line);
    if (report.models[variant->model].inspection)
      lines.push_back(report.models[variant->model].inspection->line);
    for (size_t line : lines_of(*variant)) lines.push_back(line);
    unchanged.add(*variant);
  }
  if (variants.empty()) return;
  std::string formats = list_of({unchanged.formats.begin(), unchanged.formats.end()});
  std::string who =
      names.size() == 1 ? names[0] : fmt::format("{} variants ({})", names.size(), list_of(names));
  list.add(fmt::format("No value changed in {}: {}, so rounding to {} leaves {}.{}", who, unchanged.reason(),
                       formats, for_count(unchanged.tensors.size(), "it as it is", "them as they are"),
                       unchanged_results(variants)),
           std::move(lines));
}

void find_changed(const RunReport& report, FindingList& list) {
  for (const ReportVariant* variant : own_variants(report)) {
    if (!changed_something(*variant) || !variant->divergences.empty()) continue;
    const DifferenceMeasures& total = variant->difference->total;
    list.add(
        fmt::format("{}: {} of {} values changed, mean relative difference {}, largest {}; what that costs "
                    "was not measured.",
                    introduction(report, *variant), format_count(total.changed_count),
                    format_count(total.count), percent_figure(total.mean_rel), percent_figure(total.max_rel)),
        {variant->difference->line});
  }
}

void find_cost(const RunReport& report, FindingList& list) {
  constexpr size_t kFewVariants = 2, kMostSentences = 8;
  std::vector<const ReportVariant*> measured;
  std::vector<Judged> all;
  for (const ReportVariant* variant : own_variants(report)) {
    if (variant->divergences.empty() || changed_nothing(*variant)) continue;
    measured.push_back(variant);
    for (const DivergenceResult& result : variant->divergences) {
      all.push_back({variant, &result, judge(result, control_of(report, *variant, result))});
    }
  }
  if (measured.empty()) return;
  if (measured.size() > kMostSentences) {
    add_summary(report, all, measured.size(), list);
    return;
  }
  if (measured.size() > kFewVariants) add_overview(report, measured, list);
  for (const ReportVariant* variant : measured) add_cost(report, *variant, list);
}

// Of the variants of one model: which has the fewest bits within noise.
void find_best_of(const RunReport& report, size_t model, FindingList& list) {
  const ReportVariant* best = nullptr;
  const ReportVariant* gentlest = nullptr;
  size_t candidates = 0;
  for (const ReportVariant* variant : own_variants(report)) {
    if (variant->model != model || variant->divergences.empty() || !variant->model_bits ||
        changed_nothing(*variant))
      continue;
    ++candidates;
    if (gentlest == nullptr || mean_kld(*variant) < mean_kld(*gentlest)) gentlest = variant;
    if (!is_harmless(report, *variant)) continue;
    if (best == nullptr || variant->model_bits->per_weight() < best->model_bits->per_weight()) best = variant;
  }
  if (candidates < 2) return;
  const std::string of = report.models.size() > 1 ? " of " + report.models[model].name : "";
  if (best == nullptr) {
    list.add(fmt::format("No variant{} stays within noise; the least divergence is that of {}, mean KLD {}.",
                         of, introduction(report, *gentlest), figure(mean_kld(*gentlest))),
             lines_of(*gentlest));
    return;
  }
  double own = report.models[best->model].bits_per_weight;
  if (best->model_bits->per_weight() >= own) return;  // nothing is saved
  double flips = 0;
  for (const DivergenceResult& result : best->divergences) flips = std::max(flips, result.flip_share);
  list.add(
      fmt::format("The fewest bits whose perplexity is within noise{}: {}, where the model itself has {}; "
                  "{} of its top tokens {}.",
                  of.empty() ? "" : "," + of, introduction(report, *best), bits_figure(own),
                  flips == 0 ? "none" : percent_figure(flips), flips == 0 ? "flips" : "flip"),
      lines_of(*best));
}

void find_best(const RunReport& report, FindingList& list) {
  for (size_t model = 0; model < report.models.size(); ++model) find_best_of(report, model, list);
}

void find_texts(const RunReport& report, FindingList& list) {
  constexpr size_t kMostParts = 8;
  std::vector<std::string> parts;
  std::vector<size_t> lines;
  bool near_ties = false;
  uint64_t texts = 0, identical = 0;
  for (const ReportVariant* variant : own_variants(report)) {
    if (!variant->generation || variant->generation->texts.empty()) continue;
    const GenerationResult& result = *variant->generation;
    std::string part =
        fmt::format("{} of {} in {}", result.identical, result.texts.size(), report.label(*variant));
    if (result.near_ties > 0) part += fmt::format(" ({})", counted(result.near_ties, "near-tie"));
    near_ties = near_ties || result.near_ties > 0;
    texts += result.texts.size();
    identical += result.identical;
    parts.push_back(std::move(part));
    lines.push_back(result.line);
  }
  if (parts.empty()) return;
  if (identical == texts) {
    list.add(fmt::format("Every generated text is the same as the baseline's: {} in {}.",
                         counted(texts, "text"), counted(parts.size(), "variant")),
             std::move(lines));
    return;
  }
  if (parts.size() > kMostParts) {
    size_t more = parts.size() - kMostParts;
    parts.resize(kMostParts);
    parts.push_back(fmt::format("and so on for {} more", more));
  }
  std::string text =
      fmt::format("Generated texts that are the same as the baseline's: {}.", join(parts, ", "));
  for (const ReportVariant& control : report.variants) {
    if (!control.is_control || !control.generation) continue;
    bool is_noise = !control.divergences.empty() && std::ranges::all_of(control.divergences, measures_noise);
    text += fmt::format(" With the control{}: {} of {}.", is_noise ? ", whose differences are noise" : "",
                        control.generation->identical, control.generation->texts.size());
    lines.push_back(control.generation->line);
  }
  if (near_ties)
    text +=
        " At a near-tie the baseline gives both tokens nearly equal probabilities: such a difference says "
        "little.";
  list.add(std::move(text), std::move(lines));
}

}  // namespace fakequant::report
