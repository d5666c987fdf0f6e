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
               percent(result.baseline[i].top_share())});
  }
  GenerationTotals totals = variant.totals();
  double own_share = 0;
  for (const GeneratedText& text : result.baseline)
    own_share += text.top_share() / static_cast<double>(result.baseline.size());
  table.add_rule();
  table.add({"total", "", "", "", fmt::format("{} of {} the same", totals.identical, result.runs.size()), "",
             percent(totals.equal_share), percent(totals.forced_share), percent(own_share)});
  fmt::print("{} against {}:\n{}\n", printable(variant.name), printable(result.baseline_name),
             table.text(terminal_styles()));
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

}  // namespace fakequant::cli
