#include "report/methods.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/run_report.h"

namespace fakequant::report {
namespace {

struct MethodRow {
  const char* kind;  // of measurements that it is about; "" for every run
  const char* name;
  const char* text;
};

constexpr MethodRow kMethods[] = {
    {"", "Fake quantization",
     "Weights are rounded to what a format can hold and stored again in the type that the file has for them. "
     "That shows what the format "
     "costs in an unchanged program; it makes nothing smaller or faster. Rounding is done in memory, on a "
     "model that is loaded once, and "
     "gives bit for bit what the file of fakequant quantize would."},
    {"inspect", "Effective precision",
     "The first of e2m1, e2m3, e3m2, e4m3, e5m2, bf16, f16, tf32, f32 that holds every value of a tensor "
     "exactly. A tensor that is F32 in "
     "its file and bf16 in fact does not change when it is rounded to BF16."},
    {"difference", "Differences",
     "With o a value before and q after: absolute |o - q|, relative |o - q| / (|o| + epsilon), SNR = 10 "
     "log10(sum of o^2 / sum of "
     "(o - q)^2). They are of what the file would hold, rounding to its types included; pairs with NaN or "
     "Inf are counted and left out."},
    {"load", "Loading",
     "llama.cpp loads the file that fakequant quantize would write, from memory, and generates with it. No "
     "such file is written."},
    {"perplexity", "Perplexity",
     "A text is cut into chunks, each is read by itself, and the tokens of its second half are scored: exp "
     "of the mean of -ln of the "
     "probability that the model gave to the token that came. With the same options the digits are "
     "llama-perplexity's."},
    {"divergence", "Comparison",
     "Of every scored token the whole distributions of baseline and variant are compared in full precision. "
     "KL divergence (KLD) is the sum "
     "over the vocabulary of b (ln b - ln p), b of the baseline, in nats. The PPL change is exp of the mean "
     "difference of the two "
     "models' -ln p, less 1, paired token by token. A flip is a token for which both have another most "
     "likely token."},
    {"divergence", "Errors",
     "+/- is one standard error. Over chunks it comes from a jackknife that leaves out one chunk at a time, "
     "which respects that tokens of "
     "a chunk belong together; below eight chunks it is that of independent tokens, which is too small. A "
     "difference counts as noise "
     "within two standard errors of 0, and where a control that is so itself is as far from it."},
    {"divergence", "Control",
     "All weights of F32, F16 and BF16 rounded to one harmless format: what it moves shows how far any "
     "rounding moves this model."},
    {"generation", "Texts",
     "Each prompt is continued by baseline and variant with the same sampling and seed. Equal tokens: places "
     "of the longer text where "
     "the other has the same token. Teacher forcing: after the baseline's own text, how often its next token "
     "is the variant's first choice. "
     "Near-tie: where two texts part, the baseline gives their tokens probabilities within 10 % of each "
     "other."},
    {"speed", "Speed",
     "Baseline and variant in turn, several times; shown are medians, and of the ratios of each pair an "
     "interval that holds the true "
     "median whatever the distribution. Kernels are those of the types in the file, so these times say "
     "nothing of a format's own speed."},
};

bool measures(const RunReport& report, std::string_view kind) {
  return std::any_of(report.measurements.begin(), report.measurements.end(),
                     [&](const ReportMeasurement& measurement) { return measurement.kind == kind; });
}

}  // namespace

std::vector<Method> methods_of(const RunReport& report) {
  std::vector<Method> result;
  bool has_control = report.control() != nullptr;
  for (const MethodRow& row : kMethods) {
    if (row.kind[0] != '\0' && !measures(report, row.kind)) continue;
    if (std::string_view(row.name) == "Control" && !has_control) continue;
    std::string text = row.text;
    if (std::string_view(row.name) == "Control") text += fmt::format(" Here: {}.", report.control()->what);
    result.push_back({row.name, std::move(text)});
  }
  return result;
}

}  // namespace fakequant::report
