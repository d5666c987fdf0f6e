#include "cli/format_drawing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "base/text.h"
#include "cli/format_facts.h"

namespace fakequant::cli {

namespace {

constexpr int kWidth = 72;
// Beyond these a linear axis shows too little.
constexpr size_t kMostTicks = 33;
constexpr double kLeastTickDistance = 2.0;  // columns

// --- Text that is put at columns

// A row of labels that do not touch each other.
class LabelRow {
 public:
  // Puts `text` with its middle at `column`, or returns false when something is nearer than `gap`.
  bool put(int column, const std::string& text, int gap = 1) {
    auto size = static_cast<int>(text.size());
    int begin = std::max(0, column - size / 2);
    int wanted = begin + size;
    for (int i = std::max(0, begin - gap); i < wanted + gap; ++i) {
      if (i < static_cast<int>(row_.size()) && row_[static_cast<size_t>(i)] != ' ') return false;
    }
    if (row_.size() < static_cast<size_t>(wanted)) row_.resize(static_cast<size_t>(wanted), ' ');
    row_.replace(static_cast<size_t>(begin), text.size(), text);
    return true;
  }
  bool empty() const { return row_.empty(); }
  const std::string& text() const { return row_; }

 private:
  std::string row_;
};

std::string repeated(const char* glyph, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += glyph;
  return text;
}

// --- Few values: a linear axis

// The values to draw, ascending and different: those from zero up where those below mirror them.
std::vector<double> ticks_of(const BlockFormat& format) {
  std::vector<double> ticks;
  if (code_bits(format.grid) > 5) return ticks;
  bool mirrored = std::holds_alternative<FloatGrid>(format.grid);
  for (const Code& code : codes_of(format)) {
    double value = code.value;
    if (std::isfinite(value) && (!mirrored || value >= 0)) ticks.push_back(value == 0 ? 0 : value);
  }
  std::sort(ticks.begin(), ticks.end());
  ticks.erase(std::unique(ticks.begin(), ticks.end()), ticks.end());
  return ticks;
}

double least_gap(const std::vector<double>& ticks) {
  double gap = ticks.back() - ticks.front();
  for (size_t i = 1; i < ticks.size(); ++i) gap = std::min(gap, ticks[i] - ticks[i - 1]);
  return gap;
}

bool suits_linear_axis(const std::vector<double>& ticks) {
  if (ticks.size() < 2 || ticks.size() > kMostTicks) return false;
  return least_gap(ticks) / (ticks.back() - ticks.front()) * (kWidth - 1) >= kLeastTickDistance;
}

// Columns for the ticks: equal distances are equal where all are multiples of the least.
struct LinearScale {
  double first;
  double columns_per_unit;
  int column_of(double value) const {
    return static_cast<int>(std::lround((value - first) * columns_per_unit));
  }
};

LinearScale linear_scale(const std::vector<double>& ticks) {
  double width = ticks.back() - ticks.front();
  double gaps = width / least_gap(ticks);
  double columns = gaps == std::floor(gaps) ? std::floor((kWidth - 1) / gaps) * gaps : kWidth - 1;
  return {ticks.front(), columns / width};
}

std::string tick_label(double value) {
  std::string exact = fmt::format("{}", value);
  return exact.size() <= 5 ? exact : fmt::format("{:.2f}", value);
}

std::string linear_axis(const std::vector<double>& ticks) {
  const LinearScale scale = linear_scale(ticks);
  std::vector<std::string> line(static_cast<size_t>(scale.column_of(ticks.back()) + 1), "─");
  LabelRow below;
  LabelRow above;
  std::vector<double> skipped;
  for (double end : {ticks.front(), ticks.back(), 0.0}) below.put(scale.column_of(end), tick_label(end));
  for (double value : ticks) {
    line[static_cast<size_t>(scale.column_of(value))] = "┼";
    bool has_label = value == 0 || value == ticks.front() || value == ticks.back();
    if (!has_label && !below.put(scale.column_of(value), tick_label(value))) skipped.push_back(value);
  }
  // The rest above, unless there are more than both rows hold.
  bool all = std::all_of(skipped.begin(), skipped.end(),
                         [&](double value) { return above.put(scale.column_of(value), tick_label(value)); });
  line.front() = "├";
  line.back() = "┤";
  std::string text;
  if (all && !above.empty()) text += above.text() + "\n";
  return text + join(line, "") + "\n" + below.text() + "\n";
}

// --- Many values: how many lie in each power of two

struct Binades {
  int lowest;                // exponent of the smallest
  std::vector<double> bits;  // 1 + log2 of the number of values from 2^k up to 2^(k+1), from `lowest` on
  int first_normal;          // below it there are fewer, equally spaced
  int highest() const { return lowest + static_cast<int>(bits.size()) - 1; }
};

Binades binades_of(const FloatGrid& grid) {
  Binades result{grid.min_subnormal_exponent(), {}, grid.min_exponent()};
  bool nan_at_top = grid.kind == FloatKind::fn && grid.mantissa_bits > 0;
  for (int exponent = result.lowest; exponent <= grid.top_value_exponent(); ++exponent) {
    double values = std::ldexp(1.0, std::min(grid.mantissa_bits, exponent - result.lowest));
    if (nan_at_top && exponent == grid.top_value_exponent()) --values;
    result.bits.push_back(1 + std::log2(values));
  }
  return result;
}

Binades binades_of(const BlockFormat& format) {
  if (const auto* grid = std::get_if<FloatGrid>(&format.grid)) return binades_of(*grid);
  const auto& grid = std::get<IntegerGrid>(format.grid);
  int lowest = format.scale_type == ScaleType::e8m0 ? -6 : 0;
  int count = grid.scheme == IntegerScheme::asym ? grid.bits : grid.bits - 1;
  Binades result{lowest, {}, lowest};
  for (int i = 0; i < count; ++i) result.bits.push_back(1 + i);
  return result;
}

// Where the powers of two stand: some columns for each, or one column for some.
struct PowerAxis {
  int lowest;
  int columns_each;
  int binades_each;  // one of the two is 1
  int column_of(int exponent) const { return (exponent - lowest) * columns_each / binades_each; }
};

std::string power_labels(const Binades& binades, const PowerAxis& axis) {
  LabelRow labels;
  auto put = [&](int exponent, int gap) {
    std::string text = fmt::format("2^{}", exponent);
    // The middle of a label is not its tick: powers begin at the left of their column.
    labels.put(axis.column_of(exponent) + static_cast<int>(text.size()) / 2, text, gap);
  };
  put(binades.lowest, 1);
  put(binades.highest(), 1);
  if (binades.first_normal > binades.lowest) put(binades.first_normal, 1);
  if (binades.lowest < 0 && binades.highest() > 0) put(0, 1);
  int step = 1;
  while (step * axis.columns_each / axis.binades_each < 8) step *= 2;
  for (int exponent = binades.lowest; exponent < binades.highest(); ++exponent) {
    if (exponent % step == 0) put(exponent, 3);
  }
  return labels.text();
}

// One cell of a bar that is `filled` of eight eighths high.
const char* cell(int filled, bool subnormal) {
  static constexpr const char* kEighths[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  if (filled >= 8 && subnormal) return "▒";
  return kEighths[std::clamp(filled, 0, 8)];
}

std::string power_chart(const Binades& binades) {
  constexpr int kBarWidth = 64;
  constexpr int kMostRows = 8;
  constexpr int kWidestBar = 8;
  auto count = static_cast<int>(binades.bits.size());
  PowerAxis axis{binades.lowest, std::clamp(kBarWidth / count, 1, kWidestBar),
                 (count + kBarWidth - 1) / kBarWidth};
  int columns = (count * axis.columns_each + axis.binades_each - 1) / axis.binades_each;
  double tallest = *std::max_element(binades.bits.begin(), binades.bits.end());
  auto height = static_cast<int>(std::ceil(tallest));
  int bits_each = (height + kMostRows - 1) / kMostRows;  // of a row
  int rows = (height + bits_each - 1) / bits_each;
  auto label = [&](int row) { return uint64_t{1} << (std::min(row * bits_each, height) - 1); };
  size_t margin = fmt::format("{}", label(rows)).size();
  std::string text;
  for (int row = rows; row >= 1; --row) {
    std::string line = fmt::format("{:>{}} ┤", label(row), margin);
    for (int column = 0; column < columns; ++column) {
      int binade = column / axis.columns_each * axis.binades_each;
      double bits = 0;
      for (int i = binade; i < std::min(count, binade + axis.binades_each); ++i)
        bits = std::max(bits, binades.bits[i]);
      double filled = (bits - (row - 1) * bits_each) / bits_each * 8;
      line += cell(static_cast<int>(std::floor(filled)), binades.lowest + binade < binades.first_normal);
    }
    text += line + "\n";
  }
  text += fmt::format("{:>{}} └{}\n", "", margin, repeated("─", columns));
  text += fmt::format("{:>{}}  {}\n", "", margin, power_labels(binades, axis));
  return text;
}

}  // namespace

std::string drawing_of(const BlockFormat& format) {
  std::string unit = format.has_zero_point() ? ", in units of the scale, zero point included"
                     : format.has_scale()    ? ", in units of the scale"
                                             : "";
  bool mirrored = std::holds_alternative<FloatGrid>(format.grid);
  std::vector<double> ticks = ticks_of(format);
  if (suits_linear_axis(ticks)) {
    return fmt::format("Its values{}{}:\n\n{}", unit, mirrored ? "; those below zero mirror them" : "",
                       linear_axis(ticks));
  }
  Binades binades = binades_of(format);
  return fmt::format("Positive values from each power of two up to the next{}{}:\n\n{}", unit,
                     binades.first_normal > binades.lowest ? "; ▒ subnormal" : "", power_chart(binades));
}

}  // namespace fakequant::cli
