#pragma once
// Phrases about variants that several findings and comparisons share. Knows one result at a time.

#include <string>
#include <vector>

#include "report/judgement.h"

namespace fakequant::report {

// "1.31 % +/- 0.21 % worse", "0.03 % +/- 0.03 % higher, which is noise", "the same within its error of 0.03 %", "the same";
// "12.3 times the baseline's" from ten times on.
std::string perplexity_words(const DivergenceResult& result, Verdict verdict);

// "2.1 % of top tokens flip", "no top token flips".
std::string flip_words(const DivergenceResult& result);

// "test 1 (ffn_norm of layer 0 in bf16:rtz)"; what was changed is left out where the name says it. Bits per weight of the whole model are
// told where rounding makes it smaller by 0.05 or more.
std::string introduction(const RunReport& report, const ReportVariant& variant);

// What a path ends in: names of models and texts can be whole paths.
std::string file_name(const std::string& path);

// Journal lines of its results on texts.
std::vector<size_t> lines_of(const ReportVariant& variant);

// Variants that are compared with a model: not the control.
std::vector<const ReportVariant*> own_variants(const RunReport& report);

// "a", "a and b", "a, b and c"; of more than six "a, b, c, d and 7 more"; with "; " where a name has a comma.
std::string list_of(const std::vector<std::string>& names);

// Whether a format's weights were looked at and none of them changed.
bool changed_nothing(const ReportVariant& variant);
bool changed_something(const ReportVariant& variant);

}  // namespace fakequant::report
