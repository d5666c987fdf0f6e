#pragma once
// What evaluate --speed tells of times, for people.

#include "evaluate/throughput.h"

namespace fakequant::cli {

// A table of medians, and of each variant how many times as fast as the baseline it is, with its interval or "no
// difference".
void print_throughput(const SpeedResults& results);

}  // namespace fakequant::cli
