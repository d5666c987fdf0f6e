// The `experiment` record: everything that a reader of the journal must know of the plan.

#include <algorithm>

#include "base/text.h"
#include "engine/codec.h"
#include "engine/decode_options.h"
#include "experiment/experiment_plan.h"
#include "record/content_key.h"

namespace fakequant {
namespace {

Json or_null(const std::string& text) {
  return text.empty() ? Json() : Json(printable(text));
}

Json bits_json(const std::optional<BitsPerWeight>& bits) {
  return bits ? Json{{"bits", bits->bits}, {"weights", bits->weights}} : Json();
}

Json type_json(const std::optional<TensorType>& type) {
  return type ? Json(lower(name_of(*type))) : Json();
}

BitsPerWeight stored_bits_of(const Model& model) {
  BitsPerWeight bits{0, 0};
  for (const Model::Located& tensor : model.tensors()) bits += file_bits(*tensor.info);
  return bits;
}

// Nothing where a tensor's type is known only when weights are read.
std::optional<uint64_t> stored_bits_of(const PlannedTensor& planned, const TensorInfo& tensor) {
  auto count = static_cast<uint64_t>(tensor.value_count);
  switch (planned.store) {
    case Store::keep:
      return file_bits(tensor).bits;
    case Store::f32:
      return bytes_of_values(TensorType::F32, count) * 8;
    case Store::f16:
      return bytes_of_values(TensorType::F16, count) * 8;
    case Store::bf16:
      return bytes_of_values(TensorType::BF16, count) * 8;
    default:
      return std::nullopt;
  }
}

Json model_json(const PlannedModel& planned) {
  const Model& model = planned.model;
  BitsPerWeight bits = stored_bits_of(model);
  std::optional<uint64_t> trained = training_context(model);
  return {{"id", planned.id},
          {"name", printable(planned.name)},
          {"path", printable(model.path())},
          {"bytes", model.total_bytes()},
          {"hash", planned.hash},
          {"architecture", or_null(model.architecture())},
          {"weights", bits.weights},
          {"bits_per_weight", bits.value()},
          {"layers", layers_present(model.tensors()).size()},
          {"training_context", trained ? Json(*trained) : Json()}};
}

Json variant_json(const ExperimentPlan& plan, const ExperimentVariant& variant) {
  VariantBits bits = bits_of(plan, variant);
  const ConfigVariant* config = variant.config;
  Json json{{"id", variant.id},
            {"name", printable(variant.name)},
            {"stage", printable(variant.stage)},
            {"model", plan.models[variant.model].id},
            {"what", printable(variant.what)}};
  json["tensors"] = config != nullptr ? or_null(config->tensors) : Json();
  json["layers"] = config != nullptr ? or_null(config->layers) : Json();
  json["format"] = config != nullptr ? or_null(config->format) : Json(plan.config.settings.control);
  bool rounds = config != nullptr && variant.plan;
  json["store"] = rounds ? Json(name_of(config->store)) : Json();
  json["cache_type_k"] = config != nullptr ? type_json(config->cache_k) : Json();
  json["cache_type_v"] = config != nullptr ? type_json(config->cache_v) : Json();
  json["file"] = variant.file ? Json(plan.models[*variant.file].id) : Json();
  json["is_control"] = config == nullptr;
  json["bits"] = bits_json(bits.chosen);
  json["model_bits"] = bits_json(bits.model);
  json["file_bits"] = bits_json(bits.file);
  json["skipped_because"] = or_null(variant.skipped_because);
  return json;
}

Json stages_json(const ExperimentConfig& config) {
  Json stages = Json::array();
  for (const ConfigStage& stage : config.stages) {
    Json conditions = Json::array();
    for (const Condition& condition : stage.conditions) conditions.push_back(printable(condition.text));
    stages.push_back(Json{{"name", printable(stage.name)}, {"requires", std::move(conditions)}});
  }
  return stages;
}

Json criteria_json(const ExperimentConfig& config) {
  Json criteria = Json::array();
  for (const ConfigCriterion& criterion : config.criteria) {
    Json stages = Json::array();
    for (const std::string& stage : criterion.stages) stages.push_back(printable(stage));
    criteria.push_back(
        Json{{"name", printable(criterion.name)},
             {"check", criterion.condition ? Json(printable(criterion.condition->text)) : Json()},
             {"stages", std::move(stages)},
             {"stops", criterion.stops},
             {"judged", !criterion.condition}});
  }
  return criteria;
}

// What was not said is null.
Json settings_json(const ExperimentPlan& plan) {
  const ConfigSettings& settings = plan.config.settings;
  auto given = [](int value, int unsaid) { return value == unsaid ? Json() : Json(value); };
  Json chunks = Json::array();
  for (const PlannedText& text : plan.texts) chunks.push_back(text.chunks ? Json(*text.chunks) : Json());
  return {{"context", given(settings.context, 0)},
          {"batch", given(settings.batch, 0)},
          {"chunks_of_texts", std::move(chunks)},
          {"flash_attention", flash_attention_word(settings.flash_attention)},
          {"cache_type_k", lower(name_of(settings.cache_k))},
          {"cache_type_v", lower(name_of(settings.cache_v))},
          {"threads", given(settings.threads, 0)},
          {"gpu_layers", given(settings.gpu_layers, -1)},
          {"seed", settings.seed},
          {"control", settings.control},
          {"imatrix", or_null(settings.imatrix)},
          {"epsilon", settings.epsilon},
          {"per_chunk", plan.config.measures.per_chunk},
          {"texts_made", plan.config.measures.prompts.size()},
          {"chat", plan.config.measures.chat},
          {"speed_repetitions", plan.config.measures.speed_repetitions}};
}

Json measures_json(const ConfigMeasures& measures) {
  const std::pair<const char*, bool> kinds[] = {{"inspect", measures.inspect},
                                                {"difference", measures.difference},
                                                {"load", measures.load},
                                                {"divergence", measures.divergence},
                                                {"generation", !measures.prompts.empty()},
                                                {"speed", measures.speed}};
  Json names = Json::array();
  for (const auto& [name, wanted] : kinds) {
    if (wanted) names.push_back(name);
  }
  return names;
}

Json measurements_json(const ExperimentPlan& plan) {
  Json measurements = Json::array();
  for (const Measurement& measurement : plan.measurements) {
    measurements.push_back(Json{{"kind", measurement.id.kind},
                                {"key", measurement.id.key},
                                {"model", measurement.id.model},
                                {"variant", or_null(measurement.id.variant)},
                                {"text", or_null(measurement.id.text)}});
  }
  return measurements;
}

}  // namespace

VariantBits bits_of(const ExperimentPlan& plan, const ExperimentVariant& variant) {
  const Model& model = plan.models[variant.file.value_or(variant.model)].model;
  BitsPerWeight stored = stored_bits_of(model);
  if (!variant.skipped_because.empty()) return {};
  if (!variant.plan) return {std::nullopt, stored, stored};
  VariantBits bits{variant.plan->achieved_bits, variant.plan->model_bits, stored};
  for (const PlannedTensor& planned : variant.plan->tensors) {
    const TensorInfo& tensor = *model.tensors()[planned.tensor_index].info;
    std::optional<uint64_t> now = stored_bits_of(planned, tensor);
    if (!now) return {bits.chosen, bits.model, std::nullopt};
    bits.file->bits += *now - file_bits(tensor).bits;
  }
  return bits;
}

Json experiment_record(const ExperimentPlan& plan) {
  Json models = Json::array();
  for (const PlannedModel& model : plan.models) models.push_back(model_json(model));
  Json texts = Json::array();
  for (const PlannedText& text : plan.texts) {
    texts.push_back(
        Json{{"id", text.id}, {"name", printable(text.name)}, {"bytes", text.bytes}, {"hash", text.hash}});
  }
  Json variants = Json::array();
  for (const ExperimentVariant& variant : plan.variants) variants.push_back(variant_json(plan, variant));
  Json record{{"kind", "experiment"},
              {"title", plan.config.title},
              {"description", plan.config.description},
              {"program", FAKEQUANT_VERSION},
              {"llama_cpp", llama_version()},
              {"models", std::move(models)},
              {"texts", std::move(texts)},
              {"stages", stages_json(plan.config)},
              {"variants", std::move(variants)},
              {"criteria", criteria_json(plan.config)},
              {"settings", settings_json(plan)},
              {"measures", measures_json(plan.config.measures)},
              {"measurements", measurements_json(plan)}};
  record["key"] = content_key(record);
  return record;
}

}  // namespace fakequant
