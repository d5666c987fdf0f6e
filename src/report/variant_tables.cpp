// Tables whose rows are variants: what they are, what they cost on texts, what they write, how fast they are.

#include <cmath>

#include "report/judgement.h"
#include "report/table_builder.h"

namespace fakequant::report {
namespace {

struct VariantRow {
  const RunReport& report;
  const ReportVariant& variant;

  size_t line() const { return variant.difference ? variant.difference->line : 0; }
  std::optional<double> total(std::optional<double> DifferenceMeasures::*measure) const {
    return variant.difference ? variant.difference->total.*measure : std::nullopt;
  }
  std::optional<double> changed_share() const {
    if (!variant.difference || variant.difference->total.count == 0) return std::nullopt;
    const DifferenceMeasures& total = variant.difference->total;
    return static_cast<double>(total.changed_count) / static_cast<double>(total.count);
  }
};

// What has become of a variant, in a word or a reason.
std::string state_of(const RunReport& report, const ReportVariant& variant) {
  if (!variant.skipped_because.empty()) return "not possible: " + variant.skipped_because;
  size_t counts[4] = {};
  for (const ReportMeasurement& measurement : report.measurements) {
    if (measurement.variant && &report.variants[*measurement.variant] == &variant) {
      ++counts[static_cast<size_t>(measurement.state)];
    }
  }
  size_t failed = counts[static_cast<size_t>(MeasurementState::failed)];
  if (failed > 0) return fmt::format("{} failed", failed);
  if (counts[static_cast<size_t>(MeasurementState::missing)] > 0) return "not finished";
  if (counts[static_cast<size_t>(MeasurementState::left_out)] > 0) return "left out";
  return "measured";
}

constexpr ColumnOf<VariantRow> kVariantColumns[] = {
    {words("variant", "variant", "its name in the experiment"),
     [](const VariantRow& row) { return text_cell(row.report.label(row.variant)); }},
    {words("stage", "stage", "the stage of the experiment that it belongs to"),
     [](const VariantRow& row) { return text_cell(row.variant.stage); }},
    {words("what", "what was changed", "tensors, layers and format"),
     [](const VariantRow& row) { return text_cell(row.variant.what); }},
    {numbers("bits", "bits", "bits per weight", "bits per weight of the chosen tensors in their format"),
     [](const VariantRow& row) { return bits_cell(row.variant.bits, 0); }},
    {numbers("model_bits", "model bits", "bits per weight",
             "bits per weight of the whole model with those tensors"),
     [](const VariantRow& row) { return bits_cell(row.variant.model_bits, 0); }},
    {numbers("changed_share", "changed", "share",
             "share of the chosen values that differ from what they were"),
     [](const VariantRow& row) { return share_cell(row.changed_share(), row.line()); }},
    {numbers("mean_rel", "mean rel", "share", "mean relative difference of the chosen values"),
     [](const VariantRow& row) { return share_cell(row.total(&DifferenceMeasures::mean_rel), row.line()); }},
    {numbers("max_rel", "max rel", "share", "largest relative difference"),
     [](const VariantRow& row) { return share_cell(row.total(&DifferenceMeasures::max_rel), row.line()); }},
    {numbers("max_abs", "max abs", "", "largest absolute difference"),
     [](const VariantRow& row) { return number_cell(row.total(&DifferenceMeasures::max_abs), row.line()); }},
    {numbers("snr_db", "SNR dB", "dB", "signal-to-noise ratio; 6 dB are one bit"),
     [](const VariantRow& row) { return number_cell(row.total(&DifferenceMeasures::snr_db), row.line()); }},
    {words("state", "state", "measured, failed, left out by a decision, or not possible on this model"),
     [](const VariantRow& row) { return text_cell(state_of(row.report, row.variant)); }}};

struct DivergenceRow {
  const RunReport& report;
  const ReportVariant& variant;
  const DivergenceResult& result;

  // exp of the ratio, less 1: by how much perplexity is higher.
  std::optional<double> ppl_change() const {
    const std::optional<double>& ratio = result.ln_ppl_ratio.value;
    return ratio ? std::optional(std::expm1(*ratio)) : std::nullopt;
  }
  Estimate ppl_change_estimate() const {
    std::optional<double> change = ppl_change();
    std::optional<double> error = result.ln_ppl_ratio.error();
    if (change && error) error = *error * (1 + *change);
    return {.value = change, .error_tokens = std::nullopt, .error_chunks = error};
  }
};

constexpr ColumnOf<DivergenceRow> kDivergenceColumns[] = {
    {words("variant", "variant", "its name in the experiment"),
     [](const DivergenceRow& row) { return text_cell(row.report.label(row.variant)); }},
    {words("text", "text", "what it was measured on"),
     [](const DivergenceRow& row) { return text_cell(row.report.texts[row.result.text].name); }},
    {numbers("model_bits", "model bits", "bits per weight", "bits per weight of the whole model"),
     [](const DivergenceRow& row) { return bits_cell(row.variant.model_bits, 0); }},
    {estimates("perplexity", "PPL", "", "perplexity: lower is better"),
     [](const DivergenceRow& row) { return number_cell(row.result.perplexity.value, row.result.line); }},
    {estimates("ppl_change", "PPL change", "share",
               "against the baseline, paired token by token; above 0 is worse"),
     [](const DivergenceRow& row) {
       return share_estimate_cell(row.ppl_change_estimate(), row.result.line);
     }},
    {estimates("ln_ppl_ratio", "ln ratio", "nats", "ln of perplexity over the baseline's"),
     [](const DivergenceRow& row) { return number_cell(row.result.ln_ppl_ratio.value, row.result.line); }},
    {words("verdict", "verdict",
           "worse or better beyond two standard errors and beyond the control; noise; same"),
     [](const DivergenceRow& row) {
       const DivergenceResult* control = control_of(row.report, row.variant, row.result);
       return text_cell(word_of(judge(row.result, control)), row.result.line);
     }},
    {estimates("kld_mean", "mean KLD", "nats", "KL divergence from the baseline's distributions"),
     [](const DivergenceRow& row) { return estimate_cell(row.result.kld_mean, row.result.line); }},
    {numbers("cvar_1pct", "worst 1 %", "nats", "mean KL divergence of the tokens that suffer most"),
     [](const DivergenceRow& row) { return number_cell(row.result.cvar_1pct, row.result.line); }},
    {numbers("flip_share", "flips", "share", "tokens for which another token is the most likely one"),
     [](const DivergenceRow& row) { return share_cell(row.result.flip_share, row.result.line); }},
    {numbers("chunks", "chunks", "", "of the text that were measured"),
     [](const DivergenceRow& row) { return count_cell(row.result.chunks, row.result.line); }}};

struct QuantileRow {
  const RunReport& report;
  const ReportVariant& variant;
  const DivergenceResult& result;
  const Quantile& quantile;
};

constexpr ColumnOf<QuantileRow> kQuantileColumns[] = {
    {words("variant", "variant", "its name in the experiment"),
     [](const QuantileRow& row) { return text_cell(row.report.label(row.variant)); }},
    {words("text", "text", "what it was measured on"),
     [](const QuantileRow& row) { return text_cell(row.report.texts[row.result.text].name); }},
    {numbers("tokens_below", "tokens below", "share",
             "share of tokens with a smaller divergence; all is the largest"),
     [](const QuantileRow& row) { return share_cell(row.quantile.share, row.result.line); }},
    {numbers("kld", "KLD", "nats", "KL divergence of a token"),
     [](const QuantileRow& row) { return number_cell(row.quantile.value, row.result.line); }}};

struct ConfidenceRow {
  const RunReport& report;
  const ReportVariant& variant;
  const DivergenceResult& result;
  const ConfidenceBucket& bucket;
};

constexpr ColumnOf<ConfidenceRow> kConfidenceColumns[] = {
    {words("variant", "variant", "its name in the experiment"),
     [](const ConfidenceRow& row) { return text_cell(row.report.label(row.variant)); }},
    {words("text", "text", "what it was measured on"),
     [](const ConfidenceRow& row) { return text_cell(row.report.texts[row.result.text].name); }},
    {numbers("confidence_from", "from", "share", "least probability of the baseline's most likely token"),
     [](const ConfidenceRow& row) { return share_cell(row.bucket.from, row.result.line); }},
    {numbers("confidence_below", "below", "share", "and what it stays below"),
     [](const ConfidenceRow& row) { return share_cell(row.bucket.below, row.result.line); }},
    {numbers("tokens", "tokens", "", "scored tokens in this range"),
     [](const ConfidenceRow& row) { return count_cell(row.bucket.tokens, row.result.line); }},
    {numbers("kld_mean", "mean KLD", "nats", "KL divergence of these tokens"),
     [](const ConfidenceRow& row) { return number_cell(row.bucket.kld_mean, row.result.line); }},
    {numbers("flips", "flips", "", "of these, tokens with another most likely token"),
     [](const ConfidenceRow& row) { return count_cell(row.bucket.flips, row.result.line); }}};

struct BaselineRow {
  const RunReport& report;
  const PerplexityResult& result;
};

constexpr ColumnOf<BaselineRow> kBaselineColumns[] = {
    {words("model", "model", "the unchanged model"),
     [](const BaselineRow& row) { return text_cell(row.report.models[row.result.model].name); }},
    {words("text", "text", "what it was measured on"),
     [](const BaselineRow& row) { return text_cell(row.report.texts[row.result.text].name); }},
    {estimates("perplexity", "PPL", "", "perplexity: how many tokens it hesitates between"),
     [](const BaselineRow& row) { return estimate_cell(row.result.perplexity, row.result.line); }},
    {numbers("chunks", "chunks", "", "of the text that were measured"),
     [](const BaselineRow& row) { return count_cell(row.result.chunks, row.result.line); }},
    {numbers("scored_tokens", "scored tokens", "", "those in the second half of each chunk"),
     [](const BaselineRow& row) { return count_cell(row.result.scored_tokens, row.result.line); }}};

struct LoadRow {
  const RunReport& report;
  const ReportVariant& variant;
};

constexpr ColumnOf<LoadRow> kLoadColumns[] = {
    {words("variant", "variant", "its name in the experiment"),
     [](const LoadRow& row) { return text_cell(row.report.label(row.variant)); }},
    {numbers("tokens_generated", "tokens", "", "that llama.cpp generated with the file"),
     [](const LoadRow& row) {
       return count_cell(row.variant.load->tokens_generated, row.variant.load->line);
     }},
    {numbers("nonfinite", "NaN or Inf", "", "1 where it computed any"),
     [](const LoadRow& row) { return count_cell(row.variant.load->nonfinite, row.variant.load->line); }},
    {words("text", "its text", "what it generated"),
     [](const LoadRow& row) { return text_cell(row.variant.load->text, row.variant.load->line); }}};

struct SpeedRow {
  const RunReport& report;
  const ReportVariant& variant;

  const SpeedResult& speed() const { return *variant.speed; }
};

// "x 0.97 [0.91, 1.04] no difference"
Cell ratio_cell(const SpeedMeasure& measure, size_t line) {
  Cell cell = number_cell(measure.ratio, line);
  if (!measure.ratio) return cell;
  cell.text = fmt::format("x {:.3f}", *measure.ratio);
  if (!measure.interval) return cell;
  cell.text += fmt::format(" [{:.3f}, {:.3f}]{}", measure.interval->low, measure.interval->high,
                           measure.differs ? "" : " no difference");
  return cell;
}

constexpr ColumnOf<SpeedRow> kSpeedColumns[] = {
    {words("variant", "variant", "its name in the experiment"),
     [](const SpeedRow& row) { return text_cell(row.report.label(row.variant)); }},
    {numbers("prompt_rate", "prompt tokens/s", "tokens per second", "reading a prompt, the median"),
     [](const SpeedRow& row) { return number_cell(row.speed().prompt.variant, row.speed().line); }},
    {numbers("prompt_ratio", "against baseline", "times",
             "how many times as fast, with an interval that holds the true median"),
     [](const SpeedRow& row) { return ratio_cell(row.speed().prompt, row.speed().line); }},
    {numbers("generation_rate", "generated tokens/s", "tokens per second",
             "making tokens one by one, the median"),
     [](const SpeedRow& row) { return number_cell(row.speed().generation.variant, row.speed().line); }},
    {numbers("generation_ratio", "against baseline", "times",
             "how many times as fast, with an interval that holds the true median"),
     [](const SpeedRow& row) { return ratio_cell(row.speed().generation, row.speed().line); }}};

struct GenerationRow {
  const RunReport& report;
  const ReportVariant& variant;
  const TextPair& text;

  size_t line() const { return variant.generation->line; }
};

constexpr ColumnOf<GenerationRow> kGenerationColumns[] = {
    {words("variant", "variant", "its name in the experiment"),
     [](const GenerationRow& row) { return text_cell(row.report.label(row.variant)); }},
    {words("prompt", "prompt", "what the text continues"),
     [](const GenerationRow& row) { return text_cell(row.text.prompt, row.line()); }},
    {numbers("temperature", "temperature", "", "0 takes the most likely token"),
     [](const GenerationRow& row) { return number_cell(row.text.temperature, row.line()); }},
    {numbers("seed", "seed", "", "of the sampling"),
     [](const GenerationRow& row) {
       Cell cell = count_cell(row.text.seed, row.line());
       if (row.text.seed) cell.text = std::to_string(*row.text.seed);
       return cell;
     }},
    {words("same", "text",
           "the same as the baseline's, or where they part with nearly equal probabilities a near-tie"),
     [](const GenerationRow& row) {
       const char* word = row.text.identical ? "same" : row.text.near_tie ? "differs (near-tie)" : "differs";
       return text_cell(word, row.line());
     }},
    {numbers("same_tokens_first", "same tokens first", "", "tokens before the texts part"),
     [](const GenerationRow& row) {
       return count_cell(row.text.identical ? row.text.variant_tokens : row.text.token_index, row.line());
     }},
    {numbers("equal_token_share", "equal tokens", "share",
             "places of the longer text where the other has the same token"),
     [](const GenerationRow& row) { return share_cell(row.text.equal_token_share, row.line()); }},
    {numbers("teacher_forcing_share", "teacher forcing", "share",
             "after the baseline's own text, how often its next token is the variant's first choice"),
     [](const GenerationRow& row) { return share_cell(row.text.teacher_forcing_share, row.line()); }},
    {words("baseline_text", "baseline's text", "what the baseline wrote"),
     [](const GenerationRow& row) { return text_cell(row.text.baseline, row.line()); }},
    {words("variant_text", "variant's text", "what the variant wrote"),
     [](const GenerationRow& row) { return text_cell(row.text.variant, row.line()); }}};

}  // namespace

ReportTable variants_table(const RunReport& report) {
  std::vector<VariantRow> rows;
  for (const ReportVariant& variant : report.variants) rows.push_back({report, variant});
  return make_table("variants", "Variants", kVariantColumns, rows);
}

ReportTable divergence_table(const RunReport& report) {
  std::vector<DivergenceRow> rows;
  for (const ReportVariant& variant : report.variants) {
    for (const DivergenceResult& result : variant.divergences) rows.push_back({report, variant, result});
  }
  ReportTable table = make_table("divergence", "What it costs", kDivergenceColumns, rows);
  table.note =
      "Against the unchanged model. +/- is one standard error: over chunks where there are eight or more, "
      "else as if tokens were "
      "independent.";
  return table;
}

ReportTable quantiles_table(const RunReport& report) {
  std::vector<QuantileRow> rows;
  for (const ReportVariant& variant : report.variants) {
    for (const DivergenceResult& result : variant.divergences) {
      for (const Quantile& quantile : result.kld_quantiles)
        rows.push_back({report, variant, result, quantile});
    }
  }
  return make_table("quantiles", "Quantiles of the KL divergence", kQuantileColumns, rows);
}

ReportTable confidence_table(const RunReport& report) {
  std::vector<ConfidenceRow> rows;
  for (const ReportVariant& variant : report.variants) {
    for (const DivergenceResult& result : variant.divergences) {
      for (const ConfidenceBucket& bucket : result.by_confidence)
        rows.push_back({report, variant, result, bucket});
    }
  }
  return make_table("confidence", "By confidence of the baseline", kConfidenceColumns, rows);
}

ReportTable baselines_table(const RunReport& report) {
  std::vector<BaselineRow> rows;
  for (const PerplexityResult& result : report.baselines) rows.push_back({report, result});
  return make_table("baselines", "The models themselves", kBaselineColumns, rows);
}

ReportTable loads_table(const RunReport& report) {
  std::vector<LoadRow> rows;
  for (const ReportVariant& variant : report.variants) {
    if (variant.load) rows.push_back({report, variant});
  }
  return make_table("loads", "Loaded by llama.cpp", kLoadColumns, rows);
}

ReportTable speed_table(const RunReport& report) {
  std::vector<SpeedRow> rows;
  for (const ReportVariant& variant : report.variants) {
    if (variant.speed) rows.push_back({report, variant});
  }
  ReportTable table = make_table("speed", "Speed", kSpeedColumns, rows);
  table.note =
      "Rounding in memory changes no kernel: these times show that the measurement is clean, not how fast a "
      "format could be.";
  return table;
}

ReportTable generation_table(const RunReport& report) {
  std::vector<GenerationRow> rows;
  for (const ReportVariant& variant : report.variants) {
    if (!variant.generation) continue;
    for (const TextPair& text : variant.generation->texts) rows.push_back({report, variant, text});
  }
  return make_table("generation", "Texts", kGenerationColumns, rows);
}

}  // namespace fakequant::report
