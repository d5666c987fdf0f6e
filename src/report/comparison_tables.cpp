// The tables of a comparison of two runs.

#include <cmath>

#include "report/comparison_tables.h"
#include "report/judgement.h"
#include "report/table_builder.h"

namespace fakequant::report {
namespace {

Cell line_cell(size_t line) {
  Cell cell = count_cell(line == 0 ? std::nullopt : std::optional<uint64_t>(line), 0);
  if (line > 0) cell.text = fmt::format("{}", line);
  return cell;
}

// "ln_ppl_ratio" as percent, with its error.
Cell change_cell(const Estimate& ratio) {
  if (!ratio.value) return share_cell(std::nullopt, 0);
  double change = std::expm1(*ratio.value);
  std::optional<double> error = ratio.error();
  if (error) error = *error * (1 + change);
  return share_estimate_cell({.value = change, .error_tokens = std::nullopt, .error_chunks = error}, 0);
}

Cell distance_cell(const std::optional<Distance>& distance) {
  return number_cell(distance ? std::optional(distance->errors) : std::nullopt, 0);
}

const char* kind_of_errors(const ResultPair& pair) {
  if (pair.identical()) return "identical";
  std::optional<Distance> distance = pair.apart();
  if (!distance) return "none";
  return distance->paired ? "paired" : "unpaired";
}

const char* verdict_of(const RunReport& report, const ReportVariant& variant,
                       const DivergenceResult& result) {
  return word_of(judge(result, control_of(report, variant, result)));
}

constexpr ColumnOf<ResultPair> kResultColumns[] = {
    {words("variant", "variant", "the same name in both experiments"),
     [](const ResultPair& row) { return text_cell(row.report_a->label(*row.variant.a)); }},
    {words("text", "text", "what it was measured on"),
     [](const ResultPair& row) { return text_cell(row.report_a->texts[row.a->text].name); }},
    {estimates("ppl_change_a", "PPL change, A", "share", "against the baseline of A"),
     [](const ResultPair& row) { return change_cell(row.a->ln_ppl_ratio); }},
    {estimates("ppl_change_b", "PPL change, B", "share", "against the baseline of B"),
     [](const ResultPair& row) { return change_cell(row.b->ln_ppl_ratio); }},
    {numbers("errors_apart", "PPL apart", "standard errors",
             "distance of the two changes in standard errors of their difference"),
     [](const ResultPair& row) { return distance_cell(row.ratios_apart()); }},
    {estimates("kld_mean_a", "mean KLD, A", "nats", "KL divergence from the baseline in A"),
     [](const ResultPair& row) { return estimate_cell(row.a->kld_mean, 0); }},
    {estimates("kld_mean_b", "mean KLD, B", "nats", "KL divergence from the baseline in B"),
     [](const ResultPair& row) { return estimate_cell(row.b->kld_mean, 0); }},
    {numbers("kld_errors_apart", "KLD apart", "standard errors",
             "distance of the two mean KLD in standard errors of their difference"),
     [](const ResultPair& row) { return distance_cell(row.divergences_apart()); }},
    {words("errors", "errors",
           "paired: of the differences chunk by chunk; unpaired: as if the runs were independent"),
     [](const ResultPair& row) { return text_cell(kind_of_errors(row)); }},
    {numbers("flip_share_a", "flips, A", "share", "tokens with another most likely token, in A"),
     [](const ResultPair& row) { return share_cell(row.a->flip_share, 0); }},
    {numbers("flip_share_b", "flips, B", "share", "tokens with another most likely token, in B"),
     [](const ResultPair& row) { return share_cell(row.b->flip_share, 0); }},
    {words("verdict_a", "verdict, A", "worse, better, noise or same"),
     [](const ResultPair& row) { return text_cell(verdict_of(*row.report_a, *row.variant.a, *row.a)); }},
    {words("verdict_b", "verdict, B", "worse, better, noise or same"),
     [](const ResultPair& row) { return text_cell(verdict_of(*row.report_b, *row.variant.b, *row.b)); }},
    {numbers("line_a", "line, A", "", "of the journal of A"),
     [](const ResultPair& row) { return line_cell(row.a->line); }},
    {numbers("line_b", "line, B", "", "of the journal of B"),
     [](const ResultPair& row) { return line_cell(row.b->line); }}};

constexpr ColumnOf<WeightPair> kWeightColumns[] = {
    {words("variant", "variant", "the same name in both experiments"),
     [](const WeightPair& row) { return text_cell(row.report->label(*row.variant.a)); }},
    {words("what_a", "what, A", "tensors, layers and format in A"),
     [](const WeightPair& row) { return text_cell(row.variant.a->what); }},
    {words("what_b", "what, B", "tensors, layers and format in B"),
     [](const WeightPair& row) { return text_cell(row.variant.b->what); }},
    {numbers("changed_a", "changed, A", "", "values that differ from what they were"),
     [](const WeightPair& row) { return count_cell(row.a().changed_count, 0); }},
    {numbers("changed_b", "changed, B", "", "values that differ from what they were"),
     [](const WeightPair& row) { return count_cell(row.b().changed_count, 0); }},
    {numbers("mean_rel_a", "mean rel, A", "share", "mean relative difference"),
     [](const WeightPair& row) { return share_cell(row.a().mean_rel, 0); }},
    {numbers("mean_rel_b", "mean rel, B", "share", "mean relative difference"),
     [](const WeightPair& row) { return share_cell(row.b().mean_rel, 0); }},
    {numbers("max_abs_a", "max abs, A", "", "largest absolute difference"),
     [](const WeightPair& row) { return number_cell(row.a().max_abs, 0); }},
    {numbers("max_abs_b", "max abs, B", "", "largest absolute difference"),
     [](const WeightPair& row) { return number_cell(row.b().max_abs, 0); }},
    {numbers("line_a", "line, A", "", "of the journal of A"),
     [](const WeightPair& row) { return line_cell(row.variant.a->difference->line); }},
    {numbers("line_b", "line, B", "", "of the journal of B"),
     [](const WeightPair& row) { return line_cell(row.variant.b->difference->line); }}};

constexpr ColumnOf<BaselinePair> kBaselineColumns[] = {
    {words("model", "model", "the unchanged model"),
     [](const BaselinePair& row) { return text_cell(row.model); }},
    {words("text", "text", "what it was measured on"),
     [](const BaselinePair& row) { return text_cell(row.text); }},
    {estimates("perplexity_a", "PPL, A", "", "in A"),
     [](const BaselinePair& row) { return estimate_cell(row.a->perplexity, 0); }},
    {estimates("perplexity_b", "PPL, B", "", "in B"),
     [](const BaselinePair& row) { return estimate_cell(row.b->perplexity, 0); }},
    {numbers("chunks_a", "chunks, A", "", "that were measured"),
     [](const BaselinePair& row) { return count_cell(row.a->chunks, 0); }},
    {numbers("chunks_b", "chunks, B", "", "that were measured"),
     [](const BaselinePair& row) { return count_cell(row.b->chunks, 0); }}};

constexpr ColumnOf<Fact> kFactColumns[] = {
    {words("what", "what", "setting, version or content"),
     [](const Fact& fact) { return text_cell(fact.name); }},
    {words("a", "A", "in A"), [](const Fact& fact) { return text_cell(fact.a); }},
    {words("b", "B", "in B"), [](const Fact& fact) { return text_cell(fact.b); }}};

constexpr ColumnOf<Only> kOnlyColumns[] = {
    {words("run", "run", "A or B"), [](const Only& only) { return text_cell(only.run); }},
    {words("variant", "variant", "its name"),
     [](const Only& only) { return text_cell(only.report->label(*only.variant)); }},
    {words("what", "what was changed", "tensors, layers and format"),
     [](const Only& only) { return text_cell(only.variant->what); }}};

}  // namespace

std::vector<ReportTable> comparison_tables(const RunPairs& pairs) {
  ReportTable tables[] = {make_table("results", "Results", kResultColumns, pairs.results),
                          make_table("weights", "Weights", kWeightColumns, pairs.weights),
                          make_table("baselines", "The models themselves", kBaselineColumns, pairs.baselines),
                          make_table("settings", "What differs around them", kFactColumns, pairs.facts),
                          make_table("only", "In one run only", kOnlyColumns, pairs.only)};
  tables[0].note =
      "Paired: both runs measured the same chunks, and errors are of the differences chunk by chunk. "
      "Unpaired: errors take the runs as independent, which on the same text is too wide: even a small "
      "distance may be real. Two runs of one experiment give identical digits.";
  std::vector<ReportTable> result;
  for (ReportTable& table : tables) {
    if (!table.rows.empty()) result.push_back(std::move(table));
  }
  return result;
}

}  // namespace fakequant::report
