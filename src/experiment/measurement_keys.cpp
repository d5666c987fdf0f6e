#include "experiment/measurement_keys.h"

#include "base/error.h"
#include "base/text.h"
#include "engine/codec.h"
#include "engine/decode_options.h"
#include "experiment/model_uses.h"
#include "formats/format_grammar.h"
#include "record/content_key.h"

namespace fakequant {
namespace {

// Everything that rounding depends on: which tensors get which format and store, seed and importance where they count.
Json rounding_of(const ExperimentPlan& plan, const ExperimentVariant& variant) {
  const Model& model = plan.models[variant.model].model;
  Json tensors = Json::array();
  bool is_stochastic = false;
  bool uses_importance = false;
  for (const PlannedTensor& planned : variant.plan->tensors) {
    tensors.push_back({printable(model.tensors()[planned.tensor_index].info->name), planned.format.name,
                       name_of(planned.store)});
    is_stochastic = is_stochastic || planned.format.is_stochastic();
    uses_importance = uses_importance || planned.format.is_ggml();
  }
  for (const SkippedTensor& skipped : variant.plan->skipped)
    tensors.push_back(
        {printable(model.tensors()[skipped.tensor_index].info->name), skipped.format, "skipped"});
  Json rounding{{"tensors", content_key(tensors)}};
  if (is_stochastic) rounding["seed"] = plan.config.settings.seed;
  if (uses_importance && !plan.importance_hash.empty()) rounding["imatrix"] = plan.importance_hash;
  return rounding;
}

void add_variant(Json& fields, const ExperimentPlan& plan, const ExperimentVariant& variant) {
  if (variant.plan) fields["rounding"] = rounding_of(plan, variant);
  if (variant.file) fields["file"] = plan.models[*variant.file].hash;
}

// How a model is run.
Json run_settings(const ExperimentPlan& plan, const ConfigVariant* variant) {
  const ConfigSettings& settings = plan.config.settings;
  Json fields{{"flash_attention", flash_attention_word(settings.flash_attention)},
              {"gpu_layers", settings.gpu_layers},
              {"kernels", llama_kernels()},
              {"cache_k", name_of(settings.cache_k)},
              {"cache_v", name_of(settings.cache_v)}};
  if (variant == nullptr) return fields;
  fields["variant_cache_k"] = name_of(variant->cache_k.value_or(settings.cache_k));
  fields["variant_cache_v"] = name_of(variant->cache_v.value_or(settings.cache_v));
  return fields;
}

void add_text(Json& fields, const PlannedText& text) {
  fields["text"] = text.hash;
  fields["chunks"] = text.chunks ? Json(*text.chunks) : Json();
}

// How much is read at once by all that is compared with a baseline.
void add_batches(Json& fields, const ExperimentPlan& plan, size_t baseline) {
  fields["context"] = settled_context(plan, baseline);
  fields["batch"] = plan.config.settings.batch;
}

Json prompts_json(const ConfigMeasures& measures) {
  Json runs = Json::array();
  for (const PromptRun& run : measures.prompts)
    runs.push_back({run.prompt, run.sampling.temperature, run.sampling.seed, run.tokens});
  return {{"chat", measures.chat}, {"runs", content_key(runs)}};
}

}  // namespace

std::string measurement_key(const ExperimentPlan& plan, const Measurement& measurement) {
  const ConfigMeasures& measures = plan.config.measures;
  const std::string& kind = measurement.id.kind;
  const ExperimentVariant* variant = measurement.variant ? &plan.variants[*measurement.variant] : nullptr;
  Json fields{{"kind", kind}, {"fakequant", FAKEQUANT_VERSION}, {"llama_cpp", llama_version()}};
  FQ_CHECK(measurement.model.has_value());
  fields["model"] = plan.models[*measurement.model].hash;
  if (variant != nullptr) add_variant(fields, plan, *variant);
  if (measurement.text) add_text(fields, plan.texts[*measurement.text]);
  if (kind != "inspect" && kind != "difference")
    fields["run"] = run_settings(plan, variant != nullptr ? variant->config : nullptr);
  if (measurement.text || kind == "generation" || kind == "speed")
    add_batches(fields, plan, *measurement.model);
  if (kind == "difference") fields["epsilon"] = plan.config.settings.epsilon;
  if (kind == "divergence") fields["per_chunk"] = measures.per_chunk;
  if (kind == "generation") fields["prompts"] = prompts_json(measures);
  if (kind == "speed") {
    fields["repetitions"] = measures.speed_repetitions;
    fields["threads"] = plan.config.settings.threads;
  }
  return content_key(fields);
}

}  // namespace fakequant
