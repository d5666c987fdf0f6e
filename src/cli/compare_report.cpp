#include "cli/compare_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "cli/measures.h"
#include "cli/table.h"
#include "engine/codec.h"
#include "tensors/result_json.h"

namespace fakequant::cli {

namespace {

bool differs(const TensorComparison& tensor) {
  return !tensor.incomparable.empty() || tensor.difference.changed_count > 0 ||
         tensor.a->type != tensor.b->type;
}

// The cells of one line: names, then measures; dashes for what could not be compared.
std::vector<std::string> comparison_row(std::vector<std::string> row, const Difference& d, bool comparable) {
  double share = d.count == 0 ? 0 : static_cast<double>(d.changed_count) / static_cast<double>(d.count);
  row.push_back(comparable ? percent(share) : "-");
  for (std::string& cell : measure_cells(d)) row.push_back(comparable ? std::move(cell) : "-");
  return row;
}

void print_tensors(const Comparison& comparison, const ComparisonRows& rows, size_t most, bool equal_too) {
  using enum Table::Align;
  std::vector<Table::Column> columns{{"tensor", left}, {"type", left}, {"changed", right}};
  for (Table::Column& column : measure_columns()) columns.push_back(std::move(column));
  columns.push_back({"W1", right});
  columns.push_back({"KL(hist)", right});
  Table table(columns);
  size_t shown = 0;
  size_t listed = 0;
  for (const TensorComparison* tensor : rows) {
    if (!equal_too && !differs(*tensor)) continue;
    ++listed;
    if (shown == most) continue;
    ++shown;
    std::string type(name_of(tensor->a->type));
    if (tensor->b->type != tensor->a->type) type += fmt::format(" / {}", name_of(tensor->b->type));
    bool comparable = tensor->incomparable.empty();
    std::vector<std::string> row =
        comparison_row({printable(tensor->a->name), type}, tensor->difference, comparable);
    row.push_back(comparable ? number(tensor->wasserstein1) : "-");
    row.push_back(comparable ? number(tensor->histogram_kl_nats) : "-");
    table.add(std::move(row));
  }
  if (listed == 0) return;
  std::vector<std::string> total = comparison_row({"all compared", ""}, comparison.total, true);
  total.insert(total.end(), {"", ""});
  table.add_rule();
  table.add(std::move(total));
  fmt::print("\n{}", table.text(terminal_styles()));
  if (shown < listed) fmt::print("({} not shown; --top 0 shows all)\n", counted(listed - shown, "tensor"));
}

void print_names(const char* where, const std::vector<std::string>& names) {
  if (names.empty()) return;
  std::vector<std::string> shown;
  shown.reserve(names.size());
  for (const std::string& name : names) shown.push_back(printable(name));
  fmt::print("{} {}: {}\n", counted(names.size(), "tensor"), where, some_of(shown));
}

void print_metadata(const Comparison& comparison) {
  if (comparison.metadata.empty()) {
    fmt::print("Metadata is equal.\n");
    return;
  }
  fmt::print("{} metadata {}:\n", comparison.metadata.size(),
             comparison.metadata.size() == 1 ? "pair differs" : "pairs differ");
  for (const MetadataDifference& difference : comparison.metadata) {
    fmt::print("  {}: {} -> {}\n", printable(difference.key),
               difference.a.empty() ? "(absent)" : difference.a,
               difference.b.empty() ? "(absent)" : difference.b);
  }
}

// Counts span decades: a bar's length follows their logarithm.
std::string bar(uint64_t count, uint64_t most) {
  constexpr double kWidth = 30;
  double share = std::log2(static_cast<double>(count) + 1) / std::log2(static_cast<double>(most) + 1);
  return std::string(static_cast<size_t>(std::lround(kWidth * share)), '#');
}

uint64_t largest_count(const std::vector<HistogramBin>& bins) {
  uint64_t most = 1;
  for (const HistogramBin& bin : bins) most = std::max(most, bin.count);
  return most;
}

std::string bounds(const HistogramBin& bin) {
  return fmt::format("{:.4g} .. {:.4g}", bin.lower, bin.upper);
}

// The values of both in the bins that suit both.
void print_values(const Histogram& a, const Histogram& b, size_t most) {
  Histogram both = a;
  both.merge(b);
  std::vector<HistogramBin> of_a = both.coarse_bins(most);
  for (HistogramBin& bin : of_a) bin.count = 0;
  std::vector<HistogramBin> of_b = of_a;
  for (size_t fine = 0; fine < Histogram::kBinCount; ++fine) {
    HistogramBin bin = a.bin(fine);
    uint64_t count_b = b.bin(fine).count;
    if (bin.count == 0 && count_b == 0) continue;
    for (size_t i = 0; i < of_a.size(); ++i) {
      if (bin.lower < of_a[i].lower || bin.upper > of_a[i].upper) continue;
      of_a[i].count += bin.count;
      of_b[i].count += count_b;
      break;
    }
  }
  using enum Table::Align;
  Table table({{"values", right}, {"A", right}, {"B", right}, {"A (logarithmic)", left}, {"B", left}});
  uint64_t highest = std::max(largest_count(of_a), largest_count(of_b));
  for (size_t i = 0; i < of_a.size(); ++i) {
    table.add({bounds(of_a[i]), format_count(of_a[i].count), format_count(of_b[i].count),
               bar(of_a[i].count, highest), bar(of_b[i].count, highest)});
  }
  fmt::print("\n{}", table.text(terminal_styles()));
}

void print_differences(const Histogram& differences, size_t most) {
  using enum Table::Align;
  Table table({{"|A - B|", right}, {"values", right}, {"(logarithmic)", left}});
  std::vector<HistogramBin> bins = differences.coarse_bins(most);
  for (const HistogramBin& bin : bins) {
    table.add({bounds(bin), format_count(bin.count), bar(bin.count, largest_count(bins))});
  }
  fmt::print("\n{}", table.text(terminal_styles()));
}

// Of the tensors that differ, so that what is equal does not hide them.
void print_histograms(const Comparison& comparison) {
  constexpr size_t kBins = 17;
  if (comparison.total.changed_count == 0) return;
  const PairHistograms& histograms = comparison.changed_histograms;
  print_values(histograms.a, histograms.b, kBins);
  print_differences(histograms.differences, kBins);
}

void print_summary(const Comparison& comparison) {
  size_t identical = 0;
  size_t incomparable = 0;
  size_t retyped = 0;
  size_t zero_signs = 0;  // differ in the sign of zeros alone
  for (const TensorComparison& tensor : comparison.tensors) {
    incomparable += tensor.incomparable.empty() ? 0 : 1;
    identical += tensor.incomparable.empty() && tensor.difference.changed_count == 0 ? 1 : 0;
    zero_signs += tensor.difference.only_signs_of_zeros() ? 1 : 0;
    retyped += tensor.a->type != tensor.b->type ? 1 : 0;
  }
  fmt::print("The values are the same in {} of {}", identical, counted(comparison.tensors.size(), "tensor"));
  if (zero_signs > 0) fmt::print(", but for the sign of zeros in {} more", zero_signs);
  if (retyped > 0) fmt::print("; {} {} stored in another type", retyped, retyped == 1 ? "is" : "are");
  if (comparison.total.new_nonfinite > 0)
    fmt::print("; {} became NaN or Inf", counted(comparison.total.new_nonfinite, "value"));
  fmt::print(".\n");
  for (const TensorComparison& tensor : comparison.tensors) {
    if (!tensor.incomparable.empty())
      fmt::print("Not compared: {}: {}.\n", printable(tensor.a->name), tensor.incomparable);
  }
  std::vector<std::string> equal_as_f32;
  for (const TensorComparison& tensor : comparison.tensors) {
    bool exact = decodes_exactly(tensor.a->type) && decodes_exactly(tensor.b->type);
    bool same = tensor.incomparable.empty() && tensor.difference.changed_count == 0;
    if (same && !exact && !tensor.same_bytes) equal_as_f32.push_back(printable(tensor.a->name));
  }
  if (!equal_as_f32.empty()) {
    fmt::print("Equal as F32, in which values of their type are compared, though their bytes differ: {}.\n",
               join(equal_as_f32, ", "));
  }
  bool all_equal = incomparable == 0 && comparison.total.changed_count == 0 && equal_as_f32.empty();
  if (all_equal && comparison.only_in_a.empty() && comparison.only_in_b.empty()) {
    fmt::print("The models hold the same values.\n");
  }
}

Json json_of(const TensorComparison& tensor) {
  Json result{{"name", tensor.a->name},
              {"format", nullptr},
              {"rule", nullptr},
              {"type_before", name_of(tensor.a->type)},
              {"type_after", name_of(tensor.b->type)},
              {"shape", tensor.a->shape},
              {"incomparable", tensor.incomparable.empty() ? Json(nullptr) : Json(tensor.incomparable)}};
  // Keys are there for every tensor: of one that was not compared they are null.
  Json measures = difference_json(tensor.difference);
  for (auto& [key, value] : measures.items())
    result[key] = tensor.incomparable.empty() ? value : Json(nullptr);
  if (!tensor.incomparable.empty()) {
    result["store_max_abs"] = nullptr;
    return result;
  }
  result["store_max_abs"] = nullptr;
  result["same_bytes"] = tensor.same_bytes;
  result["wasserstein1"] = json_number(tensor.wasserstein1);
  result["wasserstein1_samples"] = tensor.wasserstein1_samples;
  result["histogram_kl_nats"] = tensor.histogram_kl_nats;
  result["histogram_values"] = tensor.histogram_values;
  result["histogram_before"] = histogram_json(tensor.values_a);
  result["histogram_after"] = histogram_json(tensor.values_b);
  result["histogram_difference"] = histogram_json(tensor.differences);
  return result;
}

}  // namespace

Json comparison_json(const Comparison& comparison, const ComparisonRows& rows) {
  Json result{{"only_in_a", comparison.only_in_a},
              {"only_in_b", comparison.only_in_b},
              {"metadata", Json::array()},
              {"tensors", Json::array()}};
  for (const MetadataDifference& difference : comparison.metadata) {
    result["metadata"].push_back({{"key", difference.key},
                                  {"a", difference.a.empty() ? Json(nullptr) : Json(difference.a)},
                                  {"b", difference.b.empty() ? Json(nullptr) : Json(difference.b)}});
  }
  for (const TensorComparison* tensor : rows) result["tensors"].push_back(json_of(*tensor));
  result["total"] = difference_json(comparison.total);
  result["total"]["store_max_abs"] = nullptr;
  return result;
}

void print_comparison(const Comparison& comparison, const ComparisonRows& rows, size_t most, bool equal_too) {
  print_tensors(comparison, rows, most, equal_too);
  print_histograms(comparison);
  fmt::print("\n");
  print_summary(comparison);
  print_names("only in A", comparison.only_in_a);
  print_names("only in B", comparison.only_in_b);
  print_metadata(comparison);
}

}  // namespace fakequant::cli
