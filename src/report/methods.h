#pragma once
// What was computed how, in sentences: for the methods section of every kind of report. Knows which measures a run has.

#include <string>
#include <vector>

#include "report/run_report.h"

namespace fakequant::report {

struct Method {
  const char* name;  // "Perplexity"
  std::string text;  // plain text
};

// Those of what the run measured, in the order in which things are done.
std::vector<Method> methods_of(const RunReport& report);

}  // namespace fakequant::report
