#pragma once
// What a variant's numbers on a text mean beside their errors and beside the control. One place: findings, tables, charts and comparisons
// use the same words. Knows no sentences.

#include "report/run_report.h"

namespace fakequant::report {

enum class Verdict {
  unmeasured,  // no perplexity
  same,        // every distribution equal to the baseline's: mean KLD exactly 0
  noise,  // cannot be told from it: within two standard errors of 0, or no further from 0 than a control that is so
  worse,    // a higher perplexity, beyond noise
  better,   // a lower one, beyond noise
  unclear,  // differs, and no error is known to judge by
};

// How many standard errors a difference must be from 0 to count.
inline constexpr double kErrorsThatCount = 2;

// Whether a control can say what is noise: it is within two of its own standard errors of 0. Where no error is known, it is not.
bool measures_noise(const DivergenceResult& control);

// Judges ln(PPL / baseline's PPL) by error_chunks where there is one, else by error_tokens. `control` is of the same text, or null; one
// that does not measure noise counts as null.
Verdict judge(const DivergenceResult& result, const DivergenceResult* control);

// The control's result on the same text as `result`; null where there is none, and for the control itself.
const DivergenceResult* control_of(const RunReport& report, const ReportVariant& variant,
                                   const DivergenceResult& result);

// Of all its texts: the first of worse, better, unclear, noise, same that any text has.
Verdict judge(const RunReport& report, const ReportVariant& variant);

// One word for a table: "worse", "noise", ...
const char* word_of(Verdict verdict);

}  // namespace fakequant::report
