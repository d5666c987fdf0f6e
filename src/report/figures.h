#pragma once
// Numbers as a reader of reports sees them. Knows no measures.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fakequant::report {

inline constexpr std::string_view kNoNumber = "n/a";

// Four significant digits, as short as that allows: 0, 0.004317, 1.2e-09; kNoNumber for nothing and for what is not finite.
std::string figure(std::optional<double> value);

// A share as a percentage with three significant digits: 90.6 %, 0.0331 %. Close to 100, two of the distance to it: 99.33 %, 99.967 %,
// ">99.99 %"; "100 %" is all, to a part in 10^8. From a hundred times on, as that: "8350x".
std::string percent_figure(std::optional<double> share);

// A value rounded to where its error's second significant digit is: 0.01312 and 0.0021 give "0.0131 +/- 0.0021". Errors below
// 0.00001 or so have a common power of ten: "(1.408 +/- 0.088)e-5". Without an error, or with one of 0, figure() alone.
std::string figure_with_error(std::optional<double> value, std::optional<double> error);

// The same as percentages: "1.31 % +/- 0.21 %".
std::string percent_with_error(std::optional<double> share, std::optional<double> error);

// Seconds in a fitting unit: "350 ms", "12.3 s", "4 min 10 s", "2 h 5 min".
std::string duration_figure(double seconds);

// Bits per weight, four decimals at most: 4.5, 16.0062.
std::string bits_figure(double bits_per_weight);

// "is" for 1 and "are" for any other count, and the like.
std::string_view for_count(uint64_t count, std::string_view one, std::string_view many);

}  // namespace fakequant::report
