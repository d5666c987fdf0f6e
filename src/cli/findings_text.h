#pragma once
// Findings of a report as lines on a terminal. Finds nothing.

#include <span>
#include <string>
#include <vector>

#include "report/findings.h"

namespace fakequant::cli {

// Prints findings as lines of at most a terminal's width: first what is wrong, behind "! ", then answers, then what could be misread,
// behind "? ", then notes, behind "- ", where they are wanted.
void print_findings(const std::vector<report::Finding>& findings, bool with_notes);

}  // namespace fakequant::cli
