#include "report/charts.h"

#include "base/text.h"
#include "report/chart_kinds.h"

namespace fakequant::report {
namespace {

struct ChartKind {
  const char* id;
  const char* title;
  const char* summary;
  std::optional<Drawing> (*draw)(const RunReport& report);
};

constexpr ChartKind kKinds[] = {
    {"perplexity", "Perplexity against the baseline",
     "How much higher each variant's perplexity is than the baseline's on the same tokens. Lines reach two "
     "standard errors to either side; what crosses zero may be no change at all.",
     draw_perplexity},
    {"divergence", "KL divergence from the baseline",
     "How far each variant's predictions are from the baseline's, on average. Lines reach two standard "
     "errors to either side. The control shows what rounding noise alone does.",
     draw_divergence},
    {"frontier", "KL divergence against size",
     "What a smaller model costs. The stepped line joins the variants that no other beats in both size and "
     "divergence.",
     draw_frontier},
    {"tails", "Tails of the KL divergence",
     "An average hides single tokens that go wrong: the median, the upper percentiles and the largest "
     "divergence of a token.",
     draw_tails},
    {"confidence", "KL divergence by the baseline's confidence",
     "Where the divergence comes from: tokens that the baseline was unsure of, or ones that it was sure of.",
     draw_confidence},
    {"error-map", "Error per layer and role",
     "Mean relative difference between weights before and after, for each layer. Grey: not one weight "
     "changed.",
     draw_error_map},
    {"weights", "Weights before and after",
     "How many weights lie where, of one tensor. The orange lines are the restored values, over the grey "
     "bars of the original ones.",
     draw_weights},
    {"differences", "Distribution of the differences", "How far the weights of one tensor moved.",
     draw_differences},
    {"precision-map", "What precision the model really has",
     "The narrowest format that holds every value of a tensor exactly. An orange frame: it is stored in more "
     "than it needs.",
     draw_precision_map},
};

constexpr const char* kSchema = "https://vega.github.io/schema/vega-lite/v6.json";

// Names come from files: a control character in one would make an image that is no XML.
void make_printable(Json& value) {
  if (value.is_string()) value = printable(value.get<std::string>());
  if (value.is_structured()) {
    for (Json& element : value) make_printable(element);
  }
}

}  // namespace

std::vector<Chart> charts(const RunReport& report) {
  std::vector<Chart> all;
  for (const ChartKind& kind : kKinds) {
    std::optional<Drawing> drawing = kind.draw(report);
    if (!drawing) continue;
    drawing->alt = printable(drawing->alt);
    make_printable(drawing->spec);
    Json spec = {{"$schema", kSchema}, {"description", drawing->alt}};
    spec.update(drawing->spec);
    std::string summary = kind.summary;
    if (!drawing->note.empty()) summary += " " + drawing->note;
    all.push_back({kind.id, kind.title, std::move(summary), std::move(drawing->alt), std::move(spec),
                   std::move(drawing->columns)});
  }
  return all;
}

}  // namespace fakequant::report
