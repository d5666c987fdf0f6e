#include "report/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace fakequant::report {
namespace {

bool is_number(std::optional<double> value) {
  return value && std::isfinite(*value);
}

// `value` with so many decimals that the second significant digit of `error` shows; of small errors with a common power of ten.
std::string at_error(double value, double error, const char* unit) {
  constexpr int kMostDecimals = 5;
  int exponent = static_cast<int>(std::floor(std::log10(error)));
  if (1 - exponent <= kMostDecimals) {
    int decimals = std::max(1 - exponent, 0);
    return fmt::format("{:.{}f}{} +/- {:.{}f}{}", value, decimals, unit, error, decimals, unit);
  }
  double larger = std::max(std::abs(value), error);
  int power = static_cast<int>(std::floor(std::log10(larger)));
  int decimals = 1 - exponent + power;
  double scale = std::pow(10.0, power);
  return fmt::format("({:.{}f} +/- {:.{}f})e{}{}", value / scale, decimals, error / scale, decimals, power,
                     unit);
}

}  // namespace

std::string figure(std::optional<double> value) {
  if (!is_number(value)) return std::string(kNoNumber);
  if (*value == 0) return "0";
  return fmt::format("{:.4g}", *value);
}

std::string percent_figure(std::optional<double> share) {
  if (!is_number(share)) return std::string(kNoNumber);
  double percent = *share * 100;
  if (percent == 0 || percent == 100) return fmt::format("{:.0f} %", std::abs(percent));
  // Near 100, the distance from it is what counts.
  constexpr double kNearlyAll = 0.01;
  double distance = 100 - percent;
  // Relative differences of values that became 0 are 1 but for the epsilon below the fraction.
  constexpr double kNoDistance = 1e-6, kManyTimes = 1e4;
  if (std::abs(distance) < kNoDistance) return "100 %";
  if (percent >= kManyTimes) return fmt::format("{:.0f}x", *share);
  if (distance > 0 && distance < kNearlyAll) return ">99.99 %";
  if (distance > 0 && distance < 1) {
    return fmt::format("{:.{}f} %", percent, 1 - static_cast<int>(std::floor(std::log10(distance))));
  }
  return fmt::format("{:.3g} %", percent);
}

std::string figure_with_error(std::optional<double> value, std::optional<double> error) {
  if (!is_number(value) || !is_number(error) || *error <= 0) return figure(value);
  return at_error(*value, *error, "");
}

std::string percent_with_error(std::optional<double> share, std::optional<double> error) {
  if (!is_number(share) || !is_number(error) || *error <= 0) return percent_figure(share);
  return at_error(*share * 100, *error * 100, " %");
}

std::string duration_figure(double seconds) {
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 60) return fmt::format("{:.3g} s", seconds);
  if (seconds >= 1e9) return fmt::format("{:.3g} s", seconds);
  auto whole = static_cast<uint64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string bits_figure(double bits_per_weight) {
  std::string text = fmt::format("{:.4f}", bits_per_weight);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::string_view for_count(uint64_t count, std::string_view one, std::string_view many) {
  return count == 1 ? one : many;
}

}  // namespace fakequant::report
