#include "cli/evaluate_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/divergence_report.h"
#include "cli/json.h"
#include "cli/table.h"
#include "engine/codec.h"
#include "evaluate/recipe_json.h"
#include "tensors/result_json.h"

namespace fakequant::cli {

namespace {

using Kind = EvaluatedVariant::Kind;

std::string error_text(const std::optional<double>& error) {
  return error ? fmt::format("{:.5f}", *error) : "n/a";
}

PerplexityEstimate average_of(const EvaluatedVariant& model) {
  std::vector<PerplexityEstimate> estimates;
  for (const EvaluatedText& text : model.texts) estimates.push_back(text.model.estimate);
  return macro_average(estimates);
}

void print_running(const std::vector<EvaluatedVariant>& models) {
  for (const EvaluatedVariant& model : models) {
    for (const EvaluatedText& text : model.texts) {
      fmt::print("{}, {}:\n", printable(model.name), printable(text.file));
      for (size_t i = 0; i < text.model.running.size(); ++i)
        fmt::print("[{}]{:.4f},", i + 1, text.model.running[i]);
      fmt::print("\n\n");
    }
  }
}

// Then its numbers say nothing of the rounding.
bool all_unused(const EvaluatedVariant& variant) {
  return variant.patch && variant.patch->all_unused(variant.recipe->plan());
}

std::string shown_name(const EvaluatedVariant& variant) {
  return variant.name + (all_unused(variant) ? " (unused weights)" : "");
}

// Bits per weight of the rounded tensors.
std::optional<double> bits_of(const EvaluatedVariant& variant) {
  if (variant.recipe == nullptr) return std::nullopt;
  return variant.recipe->plan().achieved_bits.value();
}

// What carrying out a recipe did to the weights, in a line.
std::string patch_line(const EvaluatedVariant& variant) {
  const Plan& plan = variant.recipe->plan();
  std::string text =
      fmt::format("{}: {} rounded", printable(variant.name), counted(plan.tensors.size(), "tensor"));
  if (variant.patch && !variant.patch->tensors.empty()) {
    PatchTotal total = variant.patch->total();
    const Difference& found = total.difference;
    text += found.changed_count == 0
                ? ", no value changes: they are exact in this format"
                : fmt::format(", {} of {} values change", format_count(found.changed_count),
                              format_count(found.count));
    if (total.store_changed_count > 0) {
      text += fmt::format("; the storage type cannot hold {} of them exactly",
                          format_count(total.store_changed_count));
    }
    if (found.new_nonfinite > 0)
      text += fmt::format("; {} become NaN or Inf", counted(found.new_nonfinite, "value"));
  }
  return text;
}

// What stands beside variants comes last.
std::vector<const EvaluatedVariant*> in_table_order(const std::vector<EvaluatedVariant>& variants) {
  std::vector<const EvaluatedVariant*> order;
  for (const EvaluatedVariant& variant : variants) order.push_back(&variant);
  auto rank = [](const EvaluatedVariant* variant) {
    return variant->kind == Kind::control ? 2 : variant->kind == Kind::widening ? 1 : 0;
  };
  std::ranges::stable_sort(order, {}, rank);
  return order;
}

void print_notes(const std::vector<EvaluatedVariant>& variants, const EvaluationSettings& settings) {
  for (const EvaluatedVariant& variant : variants) {
    if (variant.recipe != nullptr) fmt::print("{}.\n", patch_line(variant));
    if (variant.patch && !variant.patch->unused.empty()) {
      std::vector<std::string> names;
      for (const std::string& name : variant.patch->unused) names.push_back(printable(name));
      fmt::print("{}: unused by this model's graph, so that nothing can be said of them: {}.\n",
                 printable(variant.name), some_of(names));
    }
    if (!variant.baseline_name.empty()) {
      fmt::print("{}: compared with the model {}.\n", printable(variant.name),
                 printable(variant.baseline_name));
    }
    if (!variant.storage.empty()) {
      fmt::print("{}: {}, and kernels of these types round activations too: that is part of its numbers.\n",
                 printable(variant.name), variant.storage);
    }
    if (variant.failure) fmt::print("{}: given up. {}.\n", printable(variant.name), *variant.failure);
  }
  if (!settings.clipping.empty()) fmt::print("{}\n", settings.clipping);
}

// --- JSON

Json variant_json(const EvaluatedVariant& variant, bool per_chunk) {
  Json texts = Json::array();
  for (const EvaluatedText& text : variant.texts) texts.push_back(evaluated_text_json(text, per_chunk));
  Json result{{"name", variant.name},
              {"model_file", variant.model_file},
              {"training_context", variant.training_context}};
  if (!variant.texts.empty()) {
    result["texts"] = texts;
    result["macro_average"] = perplexity_json(average_of(variant));
  }
  add_measurements(result, variant.made);
  if (variant.recipe != nullptr) result["recipe"] = recipe_json(*variant.recipe, variant.patch);
  if (!variant.baseline_name.empty()) result["baseline_name"] = variant.baseline_name;
  if (variant.failure) result["failure"] = *variant.failure;
  return result;
}

bool is_beside(const EvaluatedVariant& variant) {
  return variant.kind != Kind::model && variant.kind != Kind::recipe;
}

}  // namespace

void print_evaluation(const std::vector<EvaluatedVariant>& models, const EvaluationSettings& settings,
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
  for (const EvaluatedVariant& model : models) {
    std::string name = printable(model.name);
    for (const EvaluatedText& text : model.texts) {
      double read = static_cast<double>(text.chunk_count) * settings.decode.context;
      add(name, printable(text.file), format_count(text.chunk_count), format_count(text.scored_token_count),
          text.model.estimate, format_count(static_cast<uint64_t>(read / text.seconds)));
    }
    if (model.texts.size() > 1) add(name, "macro average", "", "", average_of(model), "");
  }
  fmt::print(
      "{}\nChunks of {} tokens. +/- tokens: as if tokens were independent (llama.cpp's +/-). "
      "+/- chunks: jackknife over chunks{}.\n",
      table.text(terminal_styles()), settings.decode.context,
      fmt::format(", n/a below {}", kLeastJackknifeChunks));
}

void print_comparison(const std::vector<EvaluatedVariant>& variants, const EvaluationSettings& settings,
                      bool details) {
  std::vector<DivergenceRow> rows;
  for (const EvaluatedVariant* variant : in_table_order(variants)) {
    for (const EvaluatedText& text : variant->texts) {
      std::string shown = variant->texts.size() > 1 ? text.file : "";
      if (text.divergence) rows.push_back({shown_name(*variant), shown, bits_of(*variant), *text.divergence});
    }
  }
  if (details) {
    for (const DivergenceRow& row : rows) print_divergence(row);
  }
  fmt::print("baseline: {}\n", printable(settings.baseline));
  if (!settings.selection.empty()) fmt::print("rounded:  {}\n", settings.selection);
  for (const EvaluatedVariant& variant : variants) {
    if (!variant.baseline_name.empty() || variant.texts.empty()) continue;
    for (const EvaluatedText& text : variant.texts) {
      const PerplexityEstimate& estimate = text.baseline->estimate;
      fmt::print("perplexity of the baseline on {}: {:.4f} +/- {} ({} of {} tokens, {} scored)\n",
                 printable(text.file), estimate.perplexity, error_text(estimate.error_tokens),
                 counted(text.chunk_count, "chunk"), settings.decode.context,
                 format_count(text.scored_token_count));
    }
    break;
  }
  if (!rows.empty()) {
    fmt::print("\n");
    print_divergences(rows);
    fmt::print("\n");
  }
  print_notes(variants, settings);
}

Json evaluation_json(const std::vector<EvaluatedVariant>& variants, const std::vector<TextMeasurements>& made,
                     const EvaluationSettings& settings, bool per_chunk) {
  const DecodeOptions& decode = settings.decode;
  Json result{{"schema_version", kSchemaVersion},
              {"llama_cpp", llama_version()},
              {"context", decode.context},
              {"batch", decode.batch},
              {"threads", settings.threads},
              {"flash_attention", settings.flash_attention},
              {"cache_type_k", lower(name_of(decode.cache_k))},
              {"cache_type_v", lower(name_of(decode.cache_v))},
              {"repack", settings.repack}};
  if (!settings.baseline.empty()) {
    result["baseline_file"] = settings.baseline;
    result["seed"] = seed_json(settings.seed);
    if (!settings.clipping.empty()) result["baseline_clipping"] = settings.clipping;
  }
  std::vector<Json> shown(variants.size());
  for (size_t i = 0; i < variants.size(); ++i) shown[i] = variant_json(variants[i], per_chunk);
  Json own = Json::array();
  for (size_t i = 0; i < variants.size(); ++i) {
    if (variants[i].real) shown[i]["real"] = shown[*variants[i].real];
    if (variants[i].widening) shown[i]["widening"] = shown[*variants[i].widening];
  }
  for (size_t i = 0; i < variants.size(); ++i) {
    if (variants[i].kind == Kind::control) result["control"] = shown[i];
    if (!is_beside(variants[i])) own.push_back(shown[i]);
  }
  if (own.size() == 1) {
    result.update(own.front());
  } else {
    result["variants"] = own;
  }
  for (const TextMeasurements& session : made) add_measurements(result, session);
  return result;
}

}  // namespace fakequant::cli
