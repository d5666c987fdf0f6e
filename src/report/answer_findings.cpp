// What was changed, and what the models say then.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "report/figures.h"
#include "report/finding_kinds.h"
#include "report/variant_words.h"

namespace fakequant::report {
namespace {

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

  // "all 6 ffn_norm tensors are BF16 in fact (stored as F32)"
  std::string reason() const {
    size_t count = tensors.size();
    std::string whose = roles.size() == 1 && !roles.begin()->empty() ? *roles.begin() + " " : "";
    std::string subject = count == 1 ? fmt::format("the one {}tensor", whose)
                                     : fmt::format("all {} {}tensors", format_count(count), whose);
    bool one_precision = precisions.size() == 1 && types.size() == 1 && !precisions.begin()->empty();
    if (one_precision && precision_name(*precisions.begin()) != *types.begin()) {
      return fmt::format("{} {} {} in fact (stored as {})", subject, for_count(count, "is", "are"),
                         precision_name(*precisions.begin()), *types.begin());
    }
    if (one_precision) {
      return fmt::format("{} {} {} already", subject, for_count(count, "is", "are"), *types.begin());
    }
    return fmt::format("every value of {} is one that the format has", subject);
  }
};

// What follows for results where no value changed; "" where nothing was measured, or a result differs after all.
std::string unchanged_results(const std::vector<const ReportVariant*>& variants) {
  bool measured = false, same = true;
  uint64_t texts = 0;
  for (const ReportVariant* variant : variants) {
    for (const DivergenceResult& result : variant->divergences) {
      measured = true;
      same = same && judge(result, nullptr) == Verdict::same;
    }
    if (!variant->generation) continue;
    texts += variant->generation->texts.size();
    same = same && variant->generation->identical == variant->generation->texts.size();
  }
  if (!same || !(measured || texts > 0)) return "";
  std::vector<std::string> parts;
  if (measured) parts.insert(parts.end(), {"perplexity", "every distribution"});
  if (texts > 0)
    parts.push_back(texts == 1 ? "the generated text"
                               : fmt::format("all {} generated texts", format_count(texts)));
  std::string what = list_of(parts);
  what[0] = static_cast<char>(what[0] - 'a' + 'A');
  return fmt::format(" {} {} the same as the baseline's for that reason, not because of an error.", what,
                     for_count(parts.size() == 1 && texts <= 1 ? 1 : 2, "is", "are"));
}

}  // namespace

void find_nothing_changed(const RunReport& report, FindingList& list) {
  std::vector<const ReportVariant*> variants;
  std::vector<std::string> names;
  std::vector<size_t> lines;
  UnchangedTensors unchanged;
  bool others = false;
  for (const ReportVariant* variant : own_variants(report)) {
    others = others || changed_something(*variant);
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
  list.add(fmt::format("No weight changes{}: {}, so {} {} exact.{}", others ? " in " + list_of(names) : "",
                       unchanged.reason(), formats, for_count(unchanged.formats.size(), "is", "are"),
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

namespace {

// How many texts are the baseline's, over all variants.
struct TextCounts {
  std::vector<size_t> lines;
  uint64_t least = 0, most = 0, of = 0, differing = 0, near_ties = 0;
  size_t variants = 0;
  bool all_unchanged = true, one_size = true;

  void add(const ReportVariant& variant) {
    const GenerationResult& result = *variant.generation;
    least = variants == 0 ? result.identical : std::min(least, result.identical);
    most = std::max(most, result.identical);
    one_size = one_size && (variants == 0 || of == result.texts.size());
    of = result.texts.size();
    differing += result.texts.size() - result.identical;
    near_ties += result.near_ties;
    ++variants;
    all_unchanged = all_unchanged && changed_nothing(variant);
    lines.push_back(result.line);
  }
};

}  // namespace

void find_texts(const RunReport& report, FindingList& list) {
  TextCounts counts;
  for (const ReportVariant* variant : own_variants(report)) {
    if (variant->generation && !variant->generation->texts.empty()) counts.add(*variant);
  }
  // What did not change is told of with the reason.
  if (counts.variants == 0 || (counts.differing == 0 && counts.all_unchanged)) return;
  const char* each = counts.variants > 1 ? " of each variant" : "";
  if (counts.differing == 0) {
    list.add(fmt::format("{} generated text{} is the baseline's, token for token.",
                         counts.of == 1 ? "The one" : "Every", each),
             counts.lines);
    return;
  }
  std::string range = counts.least == counts.most ? format_count(counts.least)
                                                  : fmt::format("{} to {}", counts.least, counts.most);
  std::string of = counts.one_size ? format_count(counts.of) : "the";
  std::string text = fmt::format("Of {} generated texts{}, {} {} the baseline's, token for token", of, each,
                                 range, for_count(counts.most, "is", "are"));
  for (const ReportVariant& control : report.variants) {
    if (!control.is_control || !control.generation) continue;
    bool is_noise = !control.divergences.empty() && std::ranges::all_of(control.divergences, measures_noise);
    text += fmt::format("; with the control{}, {} of {}", is_noise ? ", whose differences are noise" : "",
                        control.generation->identical, control.generation->texts.size());
    counts.lines.push_back(control.generation->line);
  }
  text += ".";
  if (counts.near_ties > 0) {
    text += fmt::format(
        " {} of the {} {} at a near-tie, where the baseline finds two tokens nearly as likely: {} little.",
        format_count(counts.near_ties), counted(counts.differing, "difference"),
        for_count(counts.near_ties, "begins", "begin"), for_count(counts.near_ties, "it says", "they say"));
  }
  list.add(std::move(text), std::move(counts.lines));
}

}  // namespace fakequant::report
