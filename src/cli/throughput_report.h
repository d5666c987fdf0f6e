#pragma once
// What evaluate --speed tells of times, for people and as JSON.

#include "cli/json.h"
#include "evaluate/throughput.h"

namespace fakequant::cli {

// A table of medians, and of each variant how many times as fast as the baseline it is, with its interval or "no
// difference".
void print_throughput(const SpeedResults& results);

Json throughput_json(const SpeedResults& results);

}  // namespace fakequant::cli
