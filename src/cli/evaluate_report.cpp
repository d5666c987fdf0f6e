#include "cli/evaluate_report.h"

#include <fmt/format.h>

#include "base/text.h"
#include "cli/table.h"

namespace fakequant::cli {

namespace {

std::string error_text(const std::optional<double>& error) {
  return error ? fmt::format("{:.5f}", *error) : "n/a";
}

PerplexityEstimate average_of(const EvaluatedModel& model) {
  std::vector<PerplexityEstimate> estimates;
  for (const EvaluatedText& text : model.texts) estimates.push_back(text.estimate);
  return macro_average(estimates);
}

void print_running(const std::vector<EvaluatedModel>& models) {
  for (const EvaluatedModel& model : models) {
    for (const EvaluatedText& text : model.texts) {
      fmt::print("{}, {}:\n", printable(model.name), printable(text.file));
      for (size_t i = 0; i < text.running.size(); ++i) fmt::print("[{}]{:.4f},", i + 1, text.running[i]);
      fmt::print("\n\n");
    }
  }
}

Json optional_number(const std::optional<double>& value) {
  return value ? json_number(*value) : Json(nullptr);
}

Json estimate_json(const PerplexityEstimate& estimate) {
  return {{"perplexity", json_number(estimate.perplexity)},
          {"perplexity_error", optional_number(estimate.error_tokens)},
          {"perplexity_error_chunks", optional_number(estimate.error_chunks)},
          {"nats_per_token", json_number(estimate.nats_per_token)}};
}

Json texts_json(const EvaluatedModel& model) {
  Json texts = Json::array();
  for (const EvaluatedText& text : model.texts) {
    Json measured = estimate_json(text.estimate);
    measured["running"] = text.running;
    texts.push_back({{"file", text.file},
                     {"tokens", text.token_count},
                     {"chunks", text.chunk_count},
                     {"scored_tokens", text.scored_token_count},
                     {"seconds", text.seconds},
                     {"model", measured}});
  }
  return texts;
}

Json model_json(const EvaluatedModel& model) {
  Json result{{"model_file", model.name}, {"training_context", model.training_context}};
  if (!model.texts.empty()) {
    result["texts"] = texts_json(model);
    result["macro_average"] = estimate_json(average_of(model));
  }
  add_measurements(result, model.made);
  return result;
}

}  // namespace

void print_evaluation(const std::vector<EvaluatedModel>& models, const EvaluationSettings& settings,
                      bool running) {
  if (running) print_running(models);
  using Align = Table::Align;
  Table table({{"model", Align::left},
               {"text", Align::left},
               {"chunks", Align::right},
               {"scored tokens", Align::right},
               {"perplexity", Align::right},
               {"+/- tokens", Align::right},
               {"+/- chunks", Align::right},
               {"tokens/s", Align::right}});
  auto add = [&](const std::string& name, const std::string& text, const std::string& chunks,
                 const std::string& scored, const PerplexityEstimate& estimate, const std::string& rate) {
    table.add({name, text, chunks, scored, fmt::format("{:.4f}", estimate.perplexity),
               error_text(estimate.error_tokens), error_text(estimate.error_chunks), rate});
  };
  for (const EvaluatedModel& model : models) {
    std::string name = printable(model.name);
    for (const EvaluatedText& text : model.texts) {
      double read = static_cast<double>(text.chunk_count) * settings.decode.context;
      add(name, printable(text.file), format_count(text.chunk_count), format_count(text.scored_token_count),
          text.estimate, format_count(static_cast<uint64_t>(read / text.seconds)));
    }
    if (model.texts.size() > 1) add(name, "macro average", "", "", average_of(model), "");
  }
  fmt::print(
      "{}\nChunks of {} tokens. +/- tokens: as if tokens were independent (llama.cpp's +/-). "
      "+/- chunks: jackknife over chunks{}.\n",
      table.text(terminal_styles()), settings.decode.context,
      fmt::format(", n/a below {}", kLeastJackknifeChunks));
}

Json evaluation_json(const std::vector<EvaluatedModel>& models, const EvaluationSettings& settings) {
  const DecodeOptions& decode = settings.decode;
  Json result{{"schema_version", kSchemaVersion},
              {"context", decode.context},
              {"batch", decode.batch},
              {"threads", settings.threads},
              {"flash_attention", settings.flash_attention},
              {"cache_type_k", lower(name_of(decode.cache_k))},
              {"cache_type_v", lower(name_of(decode.cache_v))},
              {"repack", settings.repack}};
  if (models.size() == 1) {
    result.update(model_json(models.front()));
    return result;
  }
  Json variants = Json::array();
  for (const EvaluatedModel& model : models) variants.push_back(model_json(model));
  result["variants"] = variants;
  return result;
}

}  // namespace fakequant::cli
