#include "cli/throughput_report.h"

#include <fmt/format.h>

#include <cmath>

#include "base/text.h"
#include "cli/table.h"
#include "cli/text_block.h"

namespace fakequant::cli {

namespace {

std::string rate_text(const SpeedMeasure& measure) {
  double rate = measure.typical.median;
  return rate < 100 ? fmt::format("{:.2f}", rate) : format_count(static_cast<uint64_t>(std::llround(rate)));
}

// "x 1.042 [1.031, 1.060]"; "" for the baseline.
std::string ratio_text(const SpeedMeasure& measure) {
  if (!measure.ratio) return "";
  const MedianEstimate& ratio = *measure.ratio;
  std::string text = fmt::format("x {:.3f}", ratio.median);
  if (ratio.interval) text += fmt::format(" [{:.3f}, {:.3f}]", ratio.interval->low, ratio.interval->high);
  return text + (shows_difference(ratio) ? "" : " no difference");
}

// How loading went: seconds, or why there are none.
std::string load_text(const SpeedResult& subject) {
  return subject.load ? fmt::format("{:.4g}", subject.load->typical.median) : "n/a";
}

}  // namespace

void print_throughput(const SpeedResults& results) {
  using Align = Table::Align;
  bool compared = results.subjects.size() > 1;
  std::vector<Table::Column> columns{{"model", Align::left}};
  for (const char* figure : {"load s", "prompt tokens/s", "generation tokens/s"}) {
    columns.push_back({figure, Align::right});
    if (compared) columns.push_back({"against baseline", Align::left});
  }
  Table table(columns);
  for (const SpeedResult& subject : results.subjects) {
    std::vector<std::string> row{printable(subject.name)};
    auto add = [&](const std::string& figure, const SpeedMeasure* measure) {
      row.push_back(figure);
      if (compared) row.push_back(measure != nullptr ? ratio_text(*measure) : "");
    };
    add(load_text(subject), subject.load ? &*subject.load : nullptr);
    add(rate_text(subject.prompt), &subject.prompt);
    add(rate_text(subject.generation), &subject.generation);
    table.add(row);
  }
  fmt::print("{}\n", table.text(terminal_styles()));
  const SpeedMeasure& prompt = results.subjects.front().prompt;
  std::string text = fmt::format(
      "Medians of {} repetitions, all in turn, with {}: loading from the system's cache; reading {} at once; "
      "making "
      "{} one "
      "by one.",
      prompt.seconds.size(), counted(static_cast<uint64_t>(results.threads), "thread"),
      counted(static_cast<uint64_t>(results.prompt_tokens), "token"),
      counted(static_cast<uint64_t>(results.generated_tokens), "token"));
  if (compared) {
    text += fmt::format(
        " Against baseline: how many times as fast, the median of the ratios of each repetition, and an "
        "interval that holds "
        "the true "
        "one with a probability of {} whatever the distribution; no difference: 1 lies within it.",
        percent(prompt.typical.interval->coverage));
  }
  fmt::print("{}\n", wrapped(text, {.width = terminal_columns()}));
  for (const SpeedResult& subject : results.subjects) {
    if (!subject.load) fmt::print("{}: no time of loading: {}\n", printable(subject.name), subject.load_note);
  }
}

}  // namespace fakequant::cli
