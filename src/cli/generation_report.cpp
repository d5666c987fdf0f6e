#include "cli/generation_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/table.h"
#include "cli/text_block.h"

namespace fakequant::cli {

namespace {

constexpr size_t kIndent = 4;
constexpr size_t kPromptColumns = 36;  // of a prompt in the table

// Of a text's tokens, those that were the most likely ones.
double top_share(const GeneratedText& text) {
  return static_cast<double>(text.top_count) / static_cast<double>(text.tokens.size());
}

std::string settings_text(const PromptRun& run) {
  std::string text = fmt::format("temperature {:g}", run.sampling.temperature);
  return run.sampling.temperature == 0 ? text : text + fmt::format(", seed {}", run.sampling.seed);
}

std::string end_text(const GeneratedText& text) {
  return counted(text.tokens.size(), "token") + (text.ended ? ", ended by itself" : "");
}

// "' tree' 0.231 -> 0.198": a candidate's probability under the baseline and under the variant.
std::string candidate_text(const Candidate& candidate) {
  return fmt::format("'{}' {:.4f} -> {:.4f}", candidate.name, candidate.baseline_probability,
                     candidate.variant_probability);
}

std::string comparison_text(const TextComparison& comparison) {
  if (!comparison.divergence) return "the same";
  const Divergence& divergence = *comparison.divergence;
  return fmt::format("the same for {}, then {} became {}{}", counted(divergence.token_index, "token"),
                     candidate_text(divergence.baseline), candidate_text(divergence.variant),
                     divergence.near_tie ? " (near-tie)" : "");
}

// The text with a mark where it parts from the baseline's.
std::string marked_text(const TextComparison& comparison) {
  const std::string& text = comparison.generated.text;
  size_t place = comparison.divergence->text_bytes;
  return text.substr(0, place) + ">>" + text.substr(place);
}

void print_texts(const GenerationResult& result, size_t width) {
  for (size_t i = 0; i < result.runs.size(); ++i) {
    const PromptRun& run = result.runs[i];
    const GeneratedText& own = result.baseline[i];
    fmt::print("{}", text_block(fmt::format("[{}] {}, {}", i + 1, run.prompt, settings_text(run)), width, 0));
    fmt::print("  {}: {}\n{}", printable(result.baseline_name), end_text(own),
               text_block(own.text, width, kIndent));
    for (const VariantTexts& variant : result.variants) {
      if (variant.failure) continue;
      const TextComparison& comparison = variant.texts[i];
      fmt::print("{}", text_block(fmt::format("{}: {}; {}", printable(variant.name),
                                              end_text(comparison.generated), comparison_text(comparison)),
                                  width, 2));
      if (comparison.divergence) fmt::print("{}", text_block(marked_text(comparison), width, kIndent));
    }
    fmt::print("\n");
  }
}

// A prompt in one line of at most kPromptColumns columns.
std::string short_prompt(const std::string& prompt) {
  std::string text = printable(prompt);
  if (columns_of(text) <= kPromptColumns) return text;
  while (columns_of(text) > kPromptColumns - 3) text.resize(whole_characters(text, text.size() - 1));
  return text + "...";
}

// Sums over the runs of a variant.
struct Totals {
  size_t identical = 0;
  size_t near_ties = 0;
  double equal_share = 0;   // mean over texts
  double forced_share = 0;  // mean over texts
};

Totals totals_of(const VariantTexts& variant) {
  Totals totals;
  for (const TextComparison& comparison : variant.texts) {
    totals.identical += comparison.divergence ? 0 : 1;
    totals.near_ties += comparison.divergence && comparison.divergence->near_tie ? 1 : 0;
    totals.equal_share += comparison.equal_share / static_cast<double>(variant.texts.size());
    totals.forced_share += comparison.forced_share / static_cast<double>(variant.texts.size());
  }
  return totals;
}

void print_variant(const GenerationResult& result, const VariantTexts& variant) {
  using Align = Table::Align;
  Table table({{"prompt", Align::left},
               {"temperature", Align::right},
               {"seed", Align::right},
               {"tokens", Align::right},
               {"text", Align::left},
               {"same tokens first", Align::right},
               {"equal tokens", Align::right},
               {"teacher forcing", Align::right},
               {"baseline itself", Align::right}});
  for (size_t i = 0; i < result.runs.size(); ++i) {
    const PromptRun& run = result.runs[i];
    const TextComparison& comparison = variant.texts[i];
    const std::optional<Divergence>& divergence = comparison.divergence;
    bool drawn = run.sampling.temperature > 0;
    table.add({short_prompt(run.prompt), fmt::format("{:g}", run.sampling.temperature),
               drawn ? std::to_string(run.sampling.seed) : "",
               format_count(comparison.generated.tokens.size()),
               !divergence ? "same" : (divergence->near_tie ? "differs (near-tie)" : "differs"),
               format_count(divergence ? divergence->token_index : comparison.generated.tokens.size()),
               percent(comparison.equal_share), percent(comparison.forced_share),
               percent(top_share(result.baseline[i]))});
  }
  Totals totals = totals_of(variant);
  double own_share = 0;
  for (const GeneratedText& text : result.baseline)
    own_share += top_share(text) / static_cast<double>(result.baseline.size());
  table.add_rule();
  table.add({"total", "", "", "", fmt::format("{} of {} the same", totals.identical, result.runs.size()), "",
             percent(totals.equal_share), percent(totals.forced_share), percent(own_share)});
  fmt::print("{} against {}:\n{}\n", printable(variant.name), printable(result.baseline_name),
             table.text(terminal_styles()));
}

Json text_json(const GeneratedText& text) {
  return {{"text", text.text},
          {"tokens", text.tokens},
          {"ended", text.ended},
          {"top_token_share", top_share(text)}};
}

Json candidate_json(const Candidate& candidate) {
  return {{"token", candidate.token},
          {"name", candidate.name},
          {"baseline_probability", json_number(candidate.baseline_probability)},
          {"variant_probability", json_number(candidate.variant_probability)}};
}

Json comparison_json(const std::string& name, const TextComparison& comparison) {
  Json result{{"name", name}};
  result.update(text_json(comparison.generated));
  result["identical"] = !comparison.divergence.has_value();
  result["equal_token_share"] = comparison.equal_share;
  result["teacher_forcing_share"] = comparison.forced_share;
  result["divergence"] = nullptr;
  if (comparison.divergence) {
    const Divergence& divergence = *comparison.divergence;
    result["divergence"] = {{"token_index", divergence.token_index},
                            {"text_bytes", divergence.text_bytes},
                            {"near_tie", divergence.near_tie},
                            {"baseline", candidate_json(divergence.baseline)},
                            {"variant", candidate_json(divergence.variant)}};
  }
  return result;
}

Json run_json(const GenerationResult& result, size_t index) {
  const PromptRun& run = result.runs[index];
  Json row{{"prompt", run.prompt},
           {"temperature", run.sampling.temperature},
           {"seed", run.sampling.seed},
           {"most_tokens", run.tokens},
           {"prompt_tokens", result.prompt_token_counts[index]}};
  Json own{{"name", result.baseline_name}};
  own.update(text_json(result.baseline[index]));
  row[result.variants.empty() ? "model" : "baseline"] = own;
  if (result.variants.empty()) return row;
  row["variants"] = Json::array();
  for (const VariantTexts& variant : result.variants) {
    if (!variant.failure) row["variants"].push_back(comparison_json(variant.name, variant.texts[index]));
  }
  return row;
}

}  // namespace

void print_generation(const GenerationResult& result) {
  size_t width = terminal_columns();
  print_texts(result, width);
  if (result.variants.empty()) return;
  for (const VariantTexts& variant : result.variants) {
    if (variant.failure) {
      fmt::print("{}: given up. {}.\n\n", printable(variant.name), *variant.failure);
    } else {
      print_variant(result, variant);
    }
  }
  fmt::print(
      "{}\n",
      wrapped(
          "equal tokens: at the same place in both texts. teacher forcing: after the baseline's own text so "
          "far, "
          "the variant's most likely token is the baseline's next one; baseline itself: how often it is the "
          "baseline's own "
          "most likely one. near-tie: where the texts part, the "
          "baseline gives the two tokens probabilities within 10 % of each other. Probabilities are the "
          "model's "
          "own, before temperature and sampling.",
          {.width = width}));
}

Json generation_json(const GenerationResult& result) {
  Json runs = Json::array();
  for (size_t i = 0; i < result.runs.size(); ++i) runs.push_back(run_json(result, i));
  Json json{{"runs", runs}};
  if (result.variants.empty()) return json;
  json["totals"] = Json::array();
  for (const VariantTexts& variant : result.variants) {
    if (variant.failure) {
      json["totals"].push_back({{"name", variant.name}, {"failure", *variant.failure}});
      continue;
    }
    Totals totals = totals_of(variant);
    json["totals"].push_back({{"name", variant.name},
                              {"texts", variant.texts.size()},
                              {"identical", totals.identical},
                              {"near_ties", totals.near_ties},
                              {"equal_token_share", totals.equal_share},
                              {"teacher_forcing_share", totals.forced_share}});
  }
  return json;
}

}  // namespace fakequant::cli
