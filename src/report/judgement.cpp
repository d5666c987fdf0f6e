#include "report/judgement.h"

#include <cmath>

namespace fakequant::report {

bool measures_noise(const DivergenceResult& control) {
  const Estimate& ratio = control.ln_ppl_ratio;
  std::optional<double> error = ratio.error();
  return ratio.value && error && std::abs(*ratio.value) <= kErrorsThatCount * *error;
}

Verdict judge(const DivergenceResult& result, const DivergenceResult* control) {
  const Estimate& ratio = result.ln_ppl_ratio;
  if (!ratio.value) return Verdict::unmeasured;
  if (*ratio.value == 0 && result.kld_mean.value == 0.0) return Verdict::same;
  double distance = std::abs(*ratio.value);
  std::optional<double> error = ratio.error();
  if (error && distance <= kErrorsThatCount * *error) return Verdict::noise;
  if (control != nullptr && measures_noise(*control) && distance <= std::abs(*control->ln_ppl_ratio.value)) {
    return Verdict::noise;
  }
  if (!error) return Verdict::unclear;
  return *ratio.value > 0 ? Verdict::worse : Verdict::better;
}

const DivergenceResult* control_of(const RunReport& report, const ReportVariant& variant,
                                   const DivergenceResult& result) {
  if (variant.is_control) return nullptr;
  for (const ReportVariant& other : report.variants) {
    if (other.is_control && other.model == variant.model) return other.divergence(result.text);
  }
  return nullptr;
}

Verdict judge(const RunReport& report, const ReportVariant& variant) {
  constexpr Verdict kOrder[] = {Verdict::worse, Verdict::better, Verdict::unclear, Verdict::noise,
                                Verdict::same};
  for (Verdict verdict : kOrder) {
    for (const DivergenceResult& result : variant.divergences) {
      if (judge(result, control_of(report, variant, result)) == verdict) return verdict;
    }
  }
  return Verdict::unmeasured;
}

const char* word_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::unmeasured:
      return "not measured";
    case Verdict::same:
      return "same";
    case Verdict::noise:
      return "noise";
    case Verdict::worse:
      return "worse";
    case Verdict::better:
      return "better";
    case Verdict::unclear:
      return "unclear";
  }
  return "";
}

}  // namespace fakequant::report
