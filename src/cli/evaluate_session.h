#pragma once
// Carries out one session of an evaluation: loads it, measures, and puts what was found into the job's results.

#include <vector>

#include "cli/evaluate_job.h"

namespace fakequant::cli {

struct SessionWork {
  bool compares;
  TextWork text;
};

// Measures the session's variants on its texts, and what --prompts and --speed ask for. Throws Error as Session,
// compare_variants and measure_texts do; NonFiniteError where a model that others are compared with, or that stands
// alone, computes NaN or Inf.
void measure_session(const JobSession& planned, const SessionWork& work, const CommonOptions& common,
                     EvaluateJob& job);

}  // namespace fakequant::cli
