#pragma once
// Generated texts side by side, and the records of a run, as HTML. Knows nothing of the page around them.

#include <string>

#include "record/run_folder.h"
#include "report/run_report.h"

namespace fakequant::report {

// Of every prompt the baseline's text and, beside it, those of the variants that differ; what follows where they part stands out. ""
// where there are none.
std::string texts_html(const RunReport& report);

// Every record of the experiment as a list whose items are what journal_link() leads to. Long lists in them are cut, and say so.
std::string records_html(const RunFolder& folder);

}  // namespace fakequant::report
