#include "report/results.h"

#include <array>
#include <string_view>

namespace fakequant::report {
namespace {

// A value under `key` with its errors under key_error and key_error_chunks.
Estimate read_estimate(const Fields& from, const std::string& key) {
  return {.value = from.optional_number(key),
          .error_tokens = from.optional_number(key + "_error"),
          .error_chunks = from.optional_number(key + "_error_chunks")};
}

// [[lower, upper, count], ...], nothing where it was not made.
std::vector<HistogramBar> read_histogram(const Fields& from, std::string_view key) {
  std::vector<HistogramBar> result;
  const Json& bars = from.raw(key);
  if (bars.is_null()) return result;
  constexpr const char* kWanted = "a list of [lower, upper, count]";
  if (!bars.is_array()) from.fail(key, kWanted);
  for (const Json& bar : bars) {
    if (!bar.is_array() || bar.size() != 3) from.fail(key, kWanted);
    for (const Json& number : bar) {
      if (!number.is_number()) from.fail(key, kWanted);
    }
    result.push_back({bar[0].get<double>(), bar[1].get<double>(), bar[2].get<double>()});
  }
  return result;
}

std::vector<uint64_t> read_counts(const Fields& from, std::string_view key) {
  std::vector<uint64_t> result;
  const Json& list = from.raw(key);
  if (!list.is_array()) from.fail(key, "a list of whole numbers");
  for (const Json& number : list) {
    if (!number.is_number_unsigned()) from.fail(key, "a list of whole numbers");
    result.push_back(number.get<uint64_t>());
  }
  return result;
}

InspectedTensor read_inspected(const Fields& from) {
  return {.name = from.text("name"),
          .type = from.text("type"),
          .role = from.text_or_empty("role"),
          .layer = from.optional_count("layer"),
          .shape = read_counts(from, "shape"),
          .count = from.count("count"),
          .effective_precision = from.text("effective_precision"),
          .low16_zero_fraction = from.optional_number("low16_zero_fraction"),
          .min = from.optional_number("min"),
          .max = from.optional_number("max"),
          .mean = from.optional_number("mean"),
          .std = from.optional_number("std"),
          .kurtosis = from.optional_number("kurtosis"),
          .largest_outlier_std = from.optional_number("largest_outlier_std")};
}

DifferenceMeasures read_measures(const Fields& from) {
  return {.count = from.count("count"),
          .changed_count = from.count("changed_count"),
          .max_abs = from.optional_number("max_abs"),
          .mean_abs = from.optional_number("mean_abs"),
          .max_rel = from.optional_number("max_rel"),
          .mean_rel = from.optional_number("mean_rel"),
          .rmse = from.optional_number("rmse"),
          .snr_db = from.optional_number("snr_db"),
          .cosine = from.optional_number("cosine"),
          .new_nonfinite = from.count("new_nonfinite"),
          .nonfinite_count = from.count("nonfinite_count"),
          .store_max_abs = from.optional_number("store_max_abs").value_or(0),
          .store_changed_count = from.optional_count("store_changed_count").value_or(0),
          .saturated_infinities = from.optional_count("saturated_infinities").value_or(0)};
}

TensorDifference read_tensor_difference(const Fields& from) {
  return {.name = from.text("name"),
          .format = from.text("format"),
          .rule = from.text_or_empty("rule"),
          .type_before = from.text("type_before"),
          .type_after = from.text("type_after"),
          .role = from.text_or_empty("role"),
          .layer = from.optional_count("layer"),
          .bits_per_weight = from.number("bits_per_weight"),
          .measures = read_measures(from),
          .effective_before = from.text_or_empty("effective_precision_before"),
          .effective_after = from.text_or_empty("effective_precision_after"),
          .before = read_histogram(from, "histogram_before"),
          .after = read_histogram(from, "histogram_after"),
          .abs_difference = read_histogram(from, "histogram_abs_difference")};
}

FileDifference read_file_difference(const Fields& from) {
  return {.bytes_before = from.count("bytes_before"),
          .bytes_after = from.count("bytes_after"),
          .types_changed = from.count("types_changed"),
          .tensors_changed = from.count("tensors_changed"),
          .tensors_identical = from.count("tensors_identical"),
          .metadata_identical = from.flag("metadata_identical")};
}

// Names of the tensors that do not fit their format.
std::vector<std::string> read_skipped(const Fields& result) {
  std::vector<std::string> names;
  for (const Fields& tensor : result.objects_or_none("skipped")) names.push_back(tensor.text("name"));
  return names;
}

std::vector<Quantile> read_kld_quantiles(const Fields& from) {
  struct Row {
    const char* key;
    double share;
  };
  constexpr std::array<Row, 13> kRows{{{"kld_min", 0},
                                       {"kld_p001", 0.001},
                                       {"kld_p01", 0.01},
                                       {"kld_p05", 0.05},
                                       {"kld_p10", 0.1},
                                       {"kld_p25", 0.25},
                                       {"kld_median", 0.5},
                                       {"kld_p75", 0.75},
                                       {"kld_p90", 0.9},
                                       {"kld_p95", 0.95},
                                       {"kld_p99", 0.99},
                                       {"kld_p999", 0.999},
                                       {"kld_max", 1}}};
  std::vector<Quantile> result;
  for (const Row& row : kRows) result.push_back({row.share, from.optional_number(row.key)});
  return result;
}

ConfidenceBucket read_bucket(const Fields& from) {
  return {.from = from.number("from"),
          .below = from.number("below"),
          .tokens = from.count("tokens"),
          .kld_mean = from.optional_number("kld_mean"),
          .flips = from.count("flips")};
}

void read_divergence_measures(const Fields& from, DivergenceResult& result) {
  result.ln_ppl_ratio = read_estimate(from, "ln_ppl_ratio");
  result.kld_mean = {.value = from.optional_number("kld_mean"),
                     .error_tokens = from.optional_number("kld_error"),
                     .error_chunks = from.optional_number("kld_error_chunks")};
  result.same_top = read_estimate(from, "same_top");
  result.entropy_shift = read_estimate(from, "entropy_shift");
  result.p_diff_mean = {.value = from.optional_number("p_diff_mean"),
                        .error_tokens = from.optional_number("p_diff_error"),
                        .error_chunks = from.optional_number("p_diff_error_chunks")};
  result.cvar_1pct = from.optional_number("cvar_1pct");
  result.kld_max = from.optional_number("kld_max");
  result.kld_quantiles = read_kld_quantiles(from);
  result.flips = from.count("flips");
  result.flip_share = from.optional_number("flip_share").value_or(0);
  for (const Fields& bucket : from.objects_or_none("by_confidence")) {
    result.by_confidence.push_back(read_bucket(bucket));
  }
}

Candidate read_candidate(const Fields& from) {
  return {.name = from.text("name"),
          .baseline_probability = from.optional_number("baseline_probability"),
          .variant_probability = from.optional_number("variant_probability")};
}

uint64_t list_length(const Fields& from, std::string_view key) {
  const Json& list = from.raw(key);
  return list.is_array() ? list.size() : 0;
}

// One run of a prompt. Nothing where the variant's text failed.
std::optional<TextPair> read_text_pair(const Fields& run) {
  Fields baseline = run.object("baseline");
  std::vector<Fields> variants = run.objects("variants");
  if (variants.size() != 1) run.fail("variants", "a list of one");
  const Fields& variant = variants[0];
  if (!variant.has("text")) return std::nullopt;
  TextPair result;
  result.prompt = run.text("prompt");
  result.temperature = run.number("temperature");
  result.seed = run.optional_count("seed");
  result.baseline = baseline.text("text");
  result.variant = variant.text("text");
  result.baseline_tokens = list_length(baseline, "tokens");
  result.variant_tokens = list_length(variant, "tokens");
  result.identical = variant.flag("identical");
  result.equal_token_share = variant.optional_number("equal_token_share");
  result.teacher_forcing_share = variant.optional_number("teacher_forcing_share");
  if (std::optional<Fields> divergence = variant.optional_object("divergence")) {
    result.token_index = divergence->count("token_index");
    result.text_bytes = divergence->count("text_bytes");
    result.near_tie = divergence->flag("near_tie");
    if (divergence->has("baseline"))
      result.baseline_candidate = read_candidate(divergence->object("baseline"));
    if (divergence->has("variant")) result.variant_candidate = read_candidate(divergence->object("variant"));
  }
  return result;
}

std::optional<double> read_median(const Fields& measure, const char* figure) {
  return measure.object(figure).optional_number("median");
}

SpeedMeasure read_speed_measure(const Fields& baseline, const Fields& variant, const char* figure) {
  SpeedMeasure result;
  result.baseline = read_median(baseline, figure);
  result.variant = read_median(variant, figure);
  if (std::optional<Fields> ratio = variant.optional_object("ratio")) {
    result.ratio = ratio->optional_number("median");
    if (std::optional<Fields> interval = ratio->optional_object("interval")) {
      result.interval = {interval->number("low"), interval->number("high"), interval->number("coverage")};
    }
    result.differs = ratio->flag_or_false("difference");
  }
  return result;
}

}  // namespace

Inspection read_inspection(const Fields& result) {
  Inspection inspection;
  inspection.file_bytes = result.count("file_bytes");
  for (const Fields& tensor : result.objects("tensors")) inspection.tensors.push_back(read_inspected(tensor));
  return inspection;
}

DifferenceResult read_difference(const Fields& result) {
  DifferenceResult difference;
  difference.total = read_measures(result.object("total"));
  difference.skipped = read_skipped(result);
  for (const Fields& tensor : result.objects("tensors")) {
    difference.tensors.push_back(read_tensor_difference(tensor));
  }
  if (result.has("file")) difference.file = read_file_difference(result.object("file"));
  return difference;
}

LoadResult read_load(const Fields& result) {
  return {.tokens_generated = result.count("tokens_generated"),
          .text = result.text_or_empty("text"),
          .nonfinite = result.count("nonfinite"),
          .seconds = result.optional_number("seconds")};
}

PerplexityResult read_perplexity(const Fields& result) {
  return {.chunks = result.count("chunks"),
          .scored_tokens = result.count("scored_tokens"),
          .perplexity = read_estimate(result.object("model"), "perplexity")};
}

DivergenceResult read_divergence(const Fields& result) {
  DivergenceResult divergence;
  divergence.chunks = result.count("chunks");
  divergence.scored_tokens = result.count("scored_tokens");
  divergence.perplexity = read_estimate(result.object("model"), "perplexity");
  divergence.baseline_perplexity = read_estimate(result.object("baseline"), "perplexity");
  read_divergence_measures(result.object("divergence"), divergence);
  for (const Fields& chunk : result.objects_or_none("per_chunk")) {
    divergence.per_chunk.push_back(
        {chunk.optional_number("ln_ppl_ratio"), chunk.optional_number("kld_mean")});
  }
  if (std::optional<Fields> recipe = result.optional_object("recipe")) {
    divergence.unused_tensors = recipe->texts_or_none("unused_tensors");
    divergence.all_unused = recipe->flag_or_false("all_unused");
    if (recipe->has("difference"))
      divergence.changed_count = recipe->object("difference").count("changed_count");
  }
  return divergence;
}

GenerationResult read_generation(const Fields& result) {
  GenerationResult generation;
  for (const Fields& run : result.objects("runs")) {
    if (std::optional<TextPair> pair = read_text_pair(run)) generation.texts.push_back(std::move(*pair));
  }
  std::vector<Fields> totals = result.objects("totals");
  if (totals.size() != 1) result.fail("totals", "a list of one");
  generation.identical = totals[0].optional_count("identical").value_or(0);
  generation.near_ties = totals[0].optional_count("near_ties").value_or(0);
  generation.equal_token_share = totals[0].optional_number("equal_token_share");
  generation.teacher_forcing_share = totals[0].optional_number("teacher_forcing_share");
  return generation;
}

SpeedResult read_speed(const Fields& result) {
  std::vector<Fields> subjects = result.objects("subjects");
  if (subjects.size() != 2) result.fail("subjects", "a list of two: baseline and variant");
  const Fields& baseline = subjects[0];
  const Fields& variant = subjects[1];
  constexpr const char* kRate = "tokens_per_second";
  SpeedResult speed;
  speed.repetitions = result.count("repetitions");
  speed.threads = result.count("threads");
  speed.load_note = variant.text_or_empty("load_note");
  speed.prompt = read_speed_measure(baseline.object("prompt"), variant.object("prompt"), kRate);
  speed.generation = read_speed_measure(baseline.object("generation"), variant.object("generation"), kRate);
  if (baseline.has("load") && variant.has("load")) {
    speed.load = read_speed_measure(baseline.object("load"), variant.object("load"), "load_seconds");
  }
  return speed;
}

}  // namespace fakequant::report
