#pragma once
// Charts as files for papers: SVG and PNG on white. Drawn by Vega in node and by rsvg-convert, which have to be installed; what they run
// is part of the program.

#include <string>
#include <vector>

#include "report/charts.h"

namespace fakequant::report {

// Writes ID.svg, ID.png (two pixels for each of the SVG's) and ID.vl.json (the specification) for each chart into `folder`, which is made
// where it is not there, and returns their paths. Files of these names are replaced; all of them appear when all are drawn.
//
//   throws   Error when node or rsvg-convert is not installed or fails, when a file cannot be written: then no file has appeared
std::vector<std::string> write_chart_images(const std::vector<Chart>& charts, const std::string& folder);

}  // namespace fakequant::report
