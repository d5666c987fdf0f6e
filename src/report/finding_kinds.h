#pragma once
// The functions behind the table of findings.cpp, by subject. Each looks at a report and adds sentences for what it finds.

#include "report/findings.h"

namespace fakequant::report {

// What was changed (answer_findings.cpp) and what it costs (cost_findings.cpp).
void find_nothing_changed(const RunReport& report, FindingList& list);
void find_changed(const RunReport& report, FindingList& list);
void find_cost(const RunReport& report, FindingList& list);
void find_best(const RunReport& report, FindingList& list);
void find_frontier(const RunReport& report, FindingList& list);
void find_texts(const RunReport& report, FindingList& list);

// What could be misread (caution_findings.cpp).
void find_partly_unchanged(const RunReport& report, FindingList& list);
void find_unchanged_but_different(const RunReport& report, FindingList& list);
void find_changed_but_same(const RunReport& report, FindingList& list);
void find_unused(const RunReport& report, FindingList& list);
void find_better(const RunReport& report, FindingList& list);
void find_control_beyond_noise(const RunReport& report, FindingList& list);
void find_control_as_large(const RunReport& report, FindingList& list);
void find_few_chunks(const RunReport& report, FindingList& list);
void find_speed_differences(const RunReport& report, FindingList& list);

// What happened to values (value_findings.cpp).
void find_nonfinite(const RunReport& report, FindingList& list);
void find_saturated(const RunReport& report, FindingList& list);
void find_store_errors(const RunReport& report, FindingList& list);
void find_unfit_tensors(const RunReport& report, FindingList& list);

// How the run went (run_findings.cpp).
void find_unfinished(const RunReport& report, FindingList& list);
void find_stopped(const RunReport& report, FindingList& list);
void find_criteria_passed(const RunReport& report, FindingList& list);
void find_criteria_failed(const RunReport& report, FindingList& list);
void find_criteria_open(const RunReport& report, FindingList& list);
void find_failures(const RunReport& report, FindingList& list);
void find_left_out(const RunReport& report, FindingList& list);
void find_impossible(const RunReport& report, FindingList& list);
void find_ran(const RunReport& report, FindingList& list);
void find_warnings(const RunReport& report, FindingList& list);
void find_versions(const RunReport& report, FindingList& list);

}  // namespace fakequant::report
