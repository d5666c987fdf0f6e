// Numbers that could be misread: results that look too good, differences of noise's size, errors that are not known.

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

bool differs(const ReportVariant& variant) {
  for (const DivergenceResult& result : variant.divergences) {
    if (judge(result, nullptr) != Verdict::same) return true;
  }
  return variant.generation && variant.generation->identical < variant.generation->texts.size();
}

std::vector<size_t> result_lines(const ReportVariant& variant) {
  std::vector<size_t> lines;
  if (variant.difference) lines.push_back(variant.difference->line);
  for (const DivergenceResult& result : variant.divergences) lines.push_back(result.line);
  return lines;
}

bool all_same(const ReportVariant& variant) {
  for (const DivergenceResult& result : variant.divergences) {
    if (judge(result, nullptr) != Verdict::same) return false;
  }
  return !variant.divergences.empty();
}

std::string on_text(const RunReport& report, const DivergenceResult& result) {
  return report.texts.size() > 1 ? " on " + report.texts[result.text].name : "";
}

}  // namespace

void find_partly_unchanged(const RunReport& report, FindingList& list) {
  // The same tensors stay in many variants: said once of each set, with all variants.
  struct Group {
    std::vector<std::string> variants;
    std::vector<size_t> lines;
    size_t of = 0;
    std::string precision;  // "" where they differ in it
  };
  std::map<std::vector<std::string>, Group> groups;
  for (const ReportVariant* variant : own_variants(report)) {
    if (!changed_something(*variant)) continue;
    std::vector<std::string> unchanged;
    std::set<std::string> precisions;
    for (const TensorDifference& tensor : variant->difference->tensors) {
      if (tensor.measures.count == 0 || tensor.measures.changed_count > 0) continue;
      unchanged.push_back(tensor.name);
      precisions.insert(tensor.effective_before);
    }
    if (unchanged.empty()) continue;
    Group& group = groups[unchanged];
    group.variants.push_back(report.label(*variant));
    group.lines.push_back(variant->difference->line);
    group.of = variant->difference->tensors.size();
    group.precision = precisions.size() == 1 ? *precisions.begin() : "";
  }
  for (auto& [tensors, group] : groups) {
    std::string because =
        group.precision.empty()
            ? ""
            : fmt::format(", which {} {} in fact", for_count(tensors.size(), "is", "are"), group.precision);
    list.add(fmt::format("{}: {} did not change{}: {}.", list_of(group.variants),
                         counted(tensors.size(), "tensor"), because, list_of(tensors)),
             group.lines);
  }
}

void find_unchanged_but_different(const RunReport& report, FindingList& list) {
  for (const ReportVariant* variant : own_variants(report)) {
    if (!changed_nothing(*variant) || !differs(*variant)) continue;
    list.add(fmt::format("{}: no value changed, and yet results differ from the baseline's. That should not "
                         "be: please report it.",
                         report.label(*variant)),
             result_lines(*variant));
  }
}

void find_changed_but_same(const RunReport& report, FindingList& list) {
  for (const ReportVariant* variant : own_variants(report)) {
    if (!changed_something(*variant) || !all_same(*variant)) continue;
    bool unused = false;
    for (const DivergenceResult& result : variant->divergences) unused = unused || result.all_unused;
    const char* reason =
        unused ? "the model uses none of the tensors"
               : "no difference reaches the model's output, which is rare; look at what the tensors do";
    list.add(fmt::format("{}: {} changed, and every distribution is exactly the baseline's: {}.",
                         report.label(*variant), counted(variant->difference->total.changed_count, "value"),
                         reason),
             result_lines(*variant));
  }
}

void find_unused(const RunReport& report, FindingList& list) {
  for (const ReportVariant* variant : own_variants(report)) {
    for (const DivergenceResult& result : variant->divergences) {
      if (result.unused_tensors.empty()) continue;
      size_t count = result.unused_tensors.size();
      list.add(fmt::format("{}: the model's graph does not read {}: {}. Nothing can be said of {} rounding.",
                           report.label(*variant), counted(count, "tensor"), list_of(result.unused_tensors),
                           for_count(count, "its", "their")),
               {result.line});
      break;  // The same on every text.
    }
  }
}

void find_better(const RunReport& report, FindingList& list) {
  std::vector<std::string> names;
  std::vector<size_t> lines;
  const DivergenceResult* best = nullptr;
  for (const ReportVariant* variant : own_variants(report)) {
    bool any = false;
    for (const DivergenceResult& result : variant->divergences) {
      if (judge(result, control_of(report, *variant, result)) != Verdict::better) continue;
      any = true;
      lines.push_back(result.line);
      if (best == nullptr || *result.ln_ppl_ratio.value < *best->ln_ppl_ratio.value) best = &result;
    }
    if (any) names.push_back(report.label(*variant));
  }
  if (best == nullptr) return;
  list.add(
      fmt::format("Perplexity is {}{} in {}, beyond noise on {}. Rounding adds no knowledge: on another text "
                  "it may be "
                  "worse. KL divergence says how much changed, whichever way.",
                  names.size() > 1 ? "up to " : "", perplexity_words(*best, Verdict::better), list_of(names),
                  lines.size() > 1 && report.texts.size() > 1 ? "some text"
                                                              : file_name(report.texts[best->text].name)),
      std::move(lines));
}

void find_control_beyond_noise(const RunReport& report, FindingList& list) {
  for (const ReportVariant& control : report.variants) {
    if (!control.is_control) continue;
    for (const DivergenceResult& result : control.divergences) {
      Verdict verdict = judge(result, nullptr);
      if (verdict != Verdict::worse && verdict != Verdict::better) continue;
      std::string model = report.models.size() > 1 ? " of " + report.models[control.model].name : "";
      list.add(
          fmt::format(
              "The control{} ({}) is itself beyond noise{}: perplexity {}. It cannot say what is noise, so "
              "variants are judged by their own errors alone.",
              model, control.what, on_text(report, result), perplexity_words(result, verdict)),
          {result.line});
    }
  }
}

void find_control_as_large(const RunReport& report, FindingList& list) {
  std::map<size_t, std::vector<std::string>> names;  // by text
  std::map<size_t, std::vector<size_t>> lines;
  std::map<size_t, double> controls;
  for (const ReportVariant* variant : own_variants(report)) {
    if (!changed_something(*variant)) continue;
    for (const DivergenceResult& result : variant->divergences) {
      const DivergenceResult* control = control_of(report, *variant, result);
      if (control == nullptr || !measures_noise(*control) || !control->kld_mean.value ||
          !result.kld_mean.value)
        continue;
      if (*control->kld_mean.value < *result.kld_mean.value || *result.kld_mean.value == 0) continue;
      names[result.text].push_back(report.label(*variant));
      lines[result.text].insert(lines[result.text].end(), {result.line, control->line});
      controls[result.text] = *control->kld_mean.value;
    }
  }
  for (const auto& [text, variants] : names) {
    std::string where = report.texts.size() > 1 ? " on " + report.texts[text].name : "";
    list.add(
        fmt::format(
            "{} {}{} no more from the baseline than the control does (mean KLD {}), which only shows how far "
            "any rounding moves this model.",
            list_of(variants), for_count(variants.size(), "differs", "differ"), where,
            figure(controls[text])),
        lines[text]);
  }
}

void find_few_chunks(const RunReport& report, FindingList& list) {
  std::map<size_t, uint64_t> chunks;  // by text
  std::map<size_t, std::vector<size_t>> lines;
  for (const ReportVariant* variant : own_variants(report)) {
    for (const DivergenceResult& result : variant->divergences) {
      if (result.ln_ppl_ratio.error_chunks || !result.ln_ppl_ratio.value) continue;
      if (judge(result, nullptr) == Verdict::same) continue;
      chunks[result.text] = result.chunks;
      lines[result.text].push_back(result.line);
    }
  }
  for (const auto& [text, count] : chunks) {
    list.add(fmt::format("{}: {} {} too few for errors over chunks; those shown take tokens as independent "
                         "and are too small "
                         "where neighbours suffer together. Eight or more chunks give both.",
                         report.texts[text].name, counted(count, "chunk"), for_count(count, "is", "are")),
             lines[text]);
  }
}

namespace {

struct SpeedPart {
  const char* what;
  SpeedMeasure SpeedResult::*measure;
};
constexpr SpeedPart kSpeedParts[] = {{"reading prompts", &SpeedResult::prompt},
                                     {"generating", &SpeedResult::generation}};

// Whether it computes with the very kernels of the model: the same types of weights and caches. Where weights were not looked at, no.
bool has_the_same_kernels(const RunReport& report, const ReportVariant& variant) {
  auto as_set = [&](const std::string& type, std::string_view setting) {
    return type.empty() || std::ranges::any_of(report.settings, [&](const Setting& known) {
             return known.name == setting && known.value == type;
           });
  };
  return variant.file.empty() && as_set(variant.cache_type_k, "cache_type_k") &&
         as_set(variant.cache_type_v, "cache_type_v") && variant.difference &&
         variant.difference->file.types_changed == 0;
}

}  // namespace

void find_speed_differences(const RunReport& report, FindingList& list) {
  constexpr double kLeastThatCounts = 0.05;  // of the speed; machines that others use too are no steadier
  std::vector<size_t> lines;
  double largest = 0;
  for (const ReportVariant& variant : report.variants) {
    if (!variant.speed) continue;
    for (const SpeedPart& part : kSpeedParts) {
      const SpeedMeasure& measure = *variant.speed.*part.measure;
      if (!measure.differs || !measure.ratio || !measure.interval) continue;
      double distance = std::abs(*measure.ratio - 1);
      if (distance < kLeastThatCounts) continue;
      if (has_the_same_kernels(report, variant)) {
        largest = std::max(largest, distance);
        lines.push_back(variant.speed->line);
        continue;
      }
      list.add(
          fmt::format("{}: {} is {} times as fast as with the baseline ({} to {} with {}).",
                      report.label(variant), part.what, figure(measure.ratio), figure(measure.interval->low),
                      figure(measure.interval->high), percent_figure(measure.interval->coverage)),
          {variant.speed->line});
    }
  }
  if (lines.empty()) return;
  list.add(fmt::format("Speeds differ by up to {:.0f} % although the same kernels run on the same types: "
                       "other work on the "
                       "machine is the likely reason, so differences of that size mean nothing here.",
                       100 * largest),
           std::move(lines));
}

}  // namespace fakequant::report
