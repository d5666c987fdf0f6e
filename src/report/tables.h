#pragma once
// The tables of a report: columns are rows of a table in the source, cells are text for people with the number behind it and its journal
// line. Markdown, pages, CSV and JSON all show these. Knows numbers and words, not how a table is drawn.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/run_report.h"

namespace fakequant::report {

struct Column {
  const char* key;    // "ln_ppl_ratio": in CSV and JSON
  const char* title;  // "ln PPL ratio": for people
  const char*
      unit;  // of the number behind a cell: "nats", "share", "bits per weight", "s"; "" for none. Texts of shares are in %
  bool is_number;    // right-aligned, sorted by value
  bool has_error;    // cells may have a standard error
  const char* help;  // one sentence or less
};

struct Cell {
  std::string text;             // as people see it; not yet escaped for anything
  std::optional<double> value;  // of numbers; nothing where there is none
  std::optional<double> error;
  size_t line = 0;  // of the journal; 0 where it is from the experiment itself
};

struct ReportTable {
  std::string key;    // "variants": names its CSV file
  std::string title;  // "Variants"
  std::string note;   // a sentence or two under it; may be ""
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;
};

// Every table that has rows, in the order of a report.
std::vector<ReportTable> report_tables(const RunReport& report);
// Those without rows too.
std::vector<ReportTable> all_report_tables(const RunReport& report);

// One of them; an empty table where it has no rows.
//   variants      what was changed, its bits, and how much the weights differ
//   divergence    each variant on each text: perplexity, KL divergence, flips, what they mean
//   confidence    KL divergence by how sure the baseline was
//   baselines     perplexity of the models themselves
//   criteria      each with the value that decided
//   decisions     stages that ran or did not, with the number that decided
//   tensors       differences tensor by tensor
//   layers        differences by layer and role
//   precision     the model's tensors by role: stored as, precise as
//   generation    texts that variants made: where they part from the baseline's
//   speed         against the baseline
//   loads         the file that `quantize` would write, loaded by llama.cpp
//   models        with size and hash
//   texts         that were evaluated on, with size and hash
//   settings      as the experiment record has them
//   runs          every start of `fakequant run`: command, outcome, versions, machine
//   remarks       of the user
//   measurements  every measurement of the experiment: done, failed, left out, missing
ReportTable report_table(const RunReport& report, std::string_view key);

}  // namespace fakequant::report
