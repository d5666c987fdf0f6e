#pragma once
// Findings of a report by kind, and a control, for tests of findings.

#include <gtest/gtest.h>

#include <string_view>
#include <utility>
#include <vector>

#include "report/findings.h"
#include "report/testing.h"

namespace fakequant::report::testing {

using Lines = std::vector<size_t>;

// The findings of one kind.
inline std::vector<Finding> of_kind(const RunReport& report, std::string_view kind) {
  std::vector<Finding> result;
  for (Finding& finding : find_all(report)) {
    if (finding.kind == kind) result.push_back(std::move(finding));
  }
  return result;
}

// The only finding of a kind; another count fails the test.
inline Finding one(const RunReport& report, std::string_view kind) {
  std::vector<Finding> all = of_kind(report, kind);
  EXPECT_EQ(all.size(), 1u) << kind;
  return all.empty() ? Finding{"", Severity::note, "", {}} : all[0];
}

inline ReportVariant& add_control(RunReport& report, double ln_ratio, double kld) {
  ReportVariant& control = add_variant(report, "control", 50);
  control.is_control = true;
  control.what = "all weights in bf16";
  add_divergence(control, ln_ratio, 0.0001, kld).line = 40;
  return control;
}

}  // namespace fakequant::report::testing
