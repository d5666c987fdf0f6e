#include "cli/divergence_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "cli/table.h"

namespace fakequant::cli {

namespace {

using enum Table::Align;

constexpr const char* kNone = "n/a";

// --- One line for each variant

// Three significant digits: enough beside an error, and short.
std::string brief(double value) {
  return fmt::format("{:.3g}", value);
}

std::string brief(const std::optional<double>& error) {
  return error ? fmt::format("{:.2g}", *error) : kNone;
}

std::vector<std::string> summary_cells(const DivergenceEstimate& estimate) {
  return {fmt::format("{:.4f}", estimate.model.perplexity),
          estimate.ln_ppl_ratio.value == 0 ? "0" : fmt::format("{:+.3g}", estimate.ln_ppl_ratio.value),
          brief(estimate.ln_ppl_ratio.error_chunks),
          brief(estimate.kld.value),
          brief(estimate.kld.error_chunks),
          brief(estimate.klds.at(0.5)),
          brief(estimate.klds.at(0.99)),
          brief(estimate.klds.at(0.999)),
          brief(estimate.klds.maximum),
          brief(estimate.kld_cvar_1pct),
          percent(estimate.same_top.value)};
}

// --- Everything of one variant

// As many decimals as llama-perplexity prints; what is too small for them with its exponent.
std::string decimals(double value, int count = 6) {
  bool small = value != 0 && std::abs(value) < (count > 3 ? 1e-3 : 1e-2);
  return small ? fmt::format("{:.3e}", value) : fmt::format("{:.{}f}", value, count);
}

std::string decimals(const std::optional<double>& value) {
  return value ? decimals(*value) : kNone;
}

// Rows of measures in a unit, 1 or percent.
class MeasureTable {
 public:
  MeasureTable()
      : table_({{"measure", left}, {"value", right}, {"+/- tokens", right}, {"+/- chunks", right}}) {}

  void in_percent(bool percent) { percent_ = percent; }
  void add(const std::string& name, double value) { table_.add({name, text(value), "", ""}); }
  void add(const std::string& name, const Uncertain& measure) {
    table_.add({name, text(measure.value), text(measure.error_tokens), text(measure.error_chunks)});
  }
  void add(const std::string& name, const PerplexityEstimate& estimate) {
    add(name, Uncertain{estimate.perplexity, estimate.error_tokens, estimate.error_chunks});
  }
  void add_optional(const std::string& name, const std::optional<double>& value) {
    table_.add({name, text(value), "", ""});
  }
  // Maximum, the quantiles that llama-perplexity shows, minimum.
  void add(const std::string& name, const Distribution& distribution, bool quartiles) {
    add("Maximum " + name, distribution.maximum);
    for (double fraction : kQuantileFractions) {
      bool quartile = fraction == 0.25 || fraction == 0.75;
      if (quartile && !quartiles) continue;
      std::string place = fraction == 0.5 ? "Median" : fmt::format("{:5.1f}%", 100 * fraction);
      add(fmt::format("{:7} {}", place, name), distribution.at(fraction));
    }
    add("Minimum " + name, distribution.minimum);
  }
  void add_rule() { table_.add_rule(); }
  std::string text() const { return table_.text(terminal_styles()); }

 private:
  std::string text(double value) const {
    return percent_ ? decimals(100 * value, 3) + " %" : decimals(value);
  }
  std::string text(const std::optional<double>& value) const { return value ? text(*value) : kNone; }

  Table table_;
  bool percent_ = false;
};

void add_perplexities(MeasureTable& table, const DivergenceEstimate& estimate) {
  table.add("Mean PPL(Q)", estimate.model);
  table.add("Mean PPL(base)", estimate.baseline);
  table.in_percent(true);
  table.add_optional("Cor(ln(PPL(Q)), ln(PPL(base)))", estimate.correlation);
  table.in_percent(false);
  table.add("Mean ln(PPL(Q)/PPL(base))", estimate.ln_ppl_ratio);
  table.add("Mean PPL(Q)/PPL(base)", estimate.ppl_ratio);
  table.add("Mean PPL(Q)-PPL(base)", estimate.ppl_difference);
}

void add_entropies(MeasureTable& table, const DivergenceEstimate& estimate) {
  table.add("Mean entropy(Q)", estimate.entropy);
  table.add("Mean entropy(base)", estimate.entropy_baseline);
  table.add("Mean entropy shift", estimate.entropy_shift);
}

void print_by_confidence(const DivergenceEstimate& estimate) {
  Table table(
      {{"base's top p", left}, {"tokens", right}, {"mean KLD", right}, {"flips", right}, {"share", right}});
  for (const ConfidenceBucket& bucket : estimate.by_confidence) {
    auto tokens = static_cast<double>(bucket.token_count);
    table.add({fmt::format("{:.2f} - {:.2f}", bucket.from, bucket.below), format_count(bucket.token_count),
               decimals(bucket.kld_mean()), format_count(bucket.flip_count),
               bucket.token_count == 0 ? kNone : percent(static_cast<double>(bucket.flip_count) / tokens)});
  }
  fmt::print("{}", table.text(terminal_styles()));
}

}  // namespace

void print_divergences(std::span<const DivergenceRow> rows) {
  bool texts =
      std::any_of(rows.begin(), rows.end(), [](const DivergenceRow& row) { return !row.text.empty(); });
  bool bits = std::any_of(rows.begin(), rows.end(), [](const DivergenceRow& row) { return row.bits; });
  std::vector<Table::Column> columns{{"variant", left}};
  if (texts) columns.push_back({"text", left});
  if (bits) columns.push_back({"bits", right});
  for (const char* header : {"PPL", "ln ratio", "+/-", "mean KLD", "+/-", "median", "99 %", "99.9 %", "max",
                             "worst 1 %", "same top"}) {
    columns.push_back({header, right});
  }
  Table table(columns);
  for (const DivergenceRow& row : rows) {
    std::vector<std::string> cells{printable(row.name)};
    if (texts) cells.push_back(printable(row.text));
    if (bits) cells.push_back(row.bits ? fmt::format("{:.4g}", *row.bits) : "");
    for (std::string& cell : summary_cells(row.estimate)) cells.push_back(std::move(cell));
    table.add(std::move(cells));
  }
  fmt::print(
      "{}\n{}ln ratio: ln(PPL / PPL of the baseline). KLD: KL divergence from the baseline, in nats for each "
      "scored token;\n"
      "median to max of tokens, worst 1 %: mean of the largest. same top: both find the same token most "
      "likely.\n"
      "+/-: standard errors that respect chunks (jackknife), n/a below {}.\n",
      table.text(terminal_styles()), bits ? "bits: per weight, in the tensors that are rounded.\n" : "",
      kLeastJackknifeChunks);
}

void print_divergence(const DivergenceRow& row) {
  const DivergenceEstimate& estimate = row.estimate;
  fmt::print("{}{}{}: {} in {}\n", printable(row.name), row.text.empty() ? "" : ", ", printable(row.text),
             counted(estimate.token_count, "scored token"), counted(estimate.chunk_count, "chunk"));
  MeasureTable table;
  add_perplexities(table, estimate);
  table.add_rule();
  table.add("Mean    KLD", estimate.kld);
  table.add("KLD", estimate.klds, false);
  table.add("Mean of the worst 1 % of KLD", estimate.kld_cvar_1pct);
  table.add_rule();
  table.in_percent(true);
  table.add("Mean    Δp", estimate.p_diff);
  table.add("Δp", estimate.p_diffs, true);
  table.add("RMS Δp", estimate.p_diff_rms);
  table.add("Same top p", estimate.same_top);
  Uncertain flips = estimate.same_top;
  flips.value = static_cast<double>(estimate.flip_count) / static_cast<double>(estimate.token_count);
  table.add("Flips of the top token", flips);
  table.in_percent(false);
  table.add("Flips x margin of the base", estimate.flips_by_margin);
  table.add_rule();
  add_entropies(table, estimate);
  fmt::print("{}\n", table.text());
  print_by_confidence(estimate);
}

}  // namespace fakequant::cli
