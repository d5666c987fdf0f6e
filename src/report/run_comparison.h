#pragma once
// Two runs beside each other: what differs between their numbers, variants, settings and versions. Findings and tables like those of one
// run. Knows no page.

#include <string>
#include <vector>

#include "report/findings.h"
#include "report/tables.h"

namespace fakequant::report {

// A and B are called by the names of their folders.
struct RunComparison {
  std::string a, b;
  // Sentences first: whether numbers differ, then why they might. Their `lines` are empty: two journals have lines.
  std::vector<Finding> findings;
  // Those that have rows. Columns line_a and line_b are lines of the two journals.
  //   results    each variant on each text in both runs, with errors, and how many standard errors lie between them
  //   weights    each variant's difference of weights in both
  //   baselines  perplexity of the models alone in both
  //   settings   what differs: settings, versions, machines, contents of models and texts
  //   only       variants that one run alone has
  std::vector<ReportTable> tables;
};

// Variants are matched by name, model and control by place in the experiment, texts by name. Comparing a run with itself finds no difference.
RunComparison compare_runs(const RunReport& a, const RunReport& b);

}  // namespace fakequant::report
