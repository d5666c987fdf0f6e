// fakequant compare: the difference of two models, tensor by tensor, and of their metadata.

#include "tensors/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>

#include "base/error.h"
#include "base/message.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/limit.h"
#include "cli/measures.h"
#include "cli/table.h"
#include "engine/codec.h"
#include "select/roles.h"

namespace fakequant::cli {

namespace {

struct Options {
  std::string a;
  std::string b;
  int focus_layer = -1;
  std::string sort = "file";
  int top = 0;
  std::vector<std::string> fail_if;
  CompareOptions compare;
};

struct SortKey {
  const char* name;
  double (*worst_first)(const TensorComparison&);
};

constexpr SortKey kSortKeys[] = {
    {"max_abs", [](const TensorComparison& t) { return t.difference.max_abs; }},
    {"mean_abs", [](const TensorComparison& t) { return t.difference.mean_abs(); }},
    {"max_rel", [](const TensorComparison& t) { return t.difference.max_rel; }},
    {"mean_rel", [](const TensorComparison& t) { return t.difference.mean_rel(); }},
    {"rmse", [](const TensorComparison& t) { return t.difference.rmse(); }},
    {"snr_db", [](const TensorComparison& t) { return -t.difference.snr_db(); }},
    {"cosine", [](const TensorComparison& t) { return -t.difference.cosine(); }},
    {"changed", [](const TensorComparison& t) { return static_cast<double>(t.difference.changed_count); }},
    {"wasserstein1", [](const TensorComparison& t) { return t.wasserstein1; }},
};

std::vector<std::string> sort_names() {
  std::vector<std::string> names{"file", "name"};
  for (const SortKey& key : kSortKeys) names.emplace_back(key.name);
  return names;
}

using Rows = std::vector<const TensorComparison*>;

Rows sorted_rows(const Comparison& comparison, const std::string& order) {
  Rows rows;
  for (const TensorComparison& tensor : comparison.tensors) rows.push_back(&tensor);
  if (order == "name") {
    std::stable_sort(rows.begin(), rows.end(), [](auto* x, auto* y) { return x->a->name < y->a->name; });
  }
  for (const SortKey& key : kSortKeys) {
    if (order != key.name) continue;
    // NaN last, whatever the key.
    auto rank = [&](const TensorComparison* t) {
      if (t->difference.nonfinite_changes > 0) return double{INFINITY};
      double v = key.worst_first(*t);
      return std::isnan(v) ? -INFINITY : v;
    };
    std::stable_sort(rows.begin(), rows.end(), [&](auto* x, auto* y) { return rank(x) > rank(y); });
  }
  return rows;
}

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

void print_tensors(const Comparison& comparison, const Rows& rows, size_t most, bool equal_too) {
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
  for (const TensorComparison& tensor : comparison.tensors) {
    incomparable += tensor.incomparable.empty() ? 0 : 1;
    identical += tensor.incomparable.empty() && tensor.difference.changed_count == 0 ? 1 : 0;
    retyped += tensor.a->type != tensor.b->type ? 1 : 0;
  }
  fmt::print("The values are the same in {} of {}", identical, counted(comparison.tensors.size(), "tensor"));
  if (retyped > 0) fmt::print("; {} are stored in another type", retyped);
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

Json json_of(const Options& options, const Comparison& comparison, const Rows& rows,
             const std::vector<std::string>& crossed) {
  Json result{{"schema_version", kSchemaVersion},
              {"a", options.a},
              {"b", options.b},
              {"epsilon", options.compare.epsilon},
              {"only_in_a", comparison.only_in_a},
              {"only_in_b", comparison.only_in_b},
              {"metadata", Json::array()},
              {"limits_crossed", crossed},
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

// What is not comparable cannot be within a limit.
std::vector<std::string> uncompared(const Comparison& comparison) {
  std::vector<std::string> names;
  for (const TensorComparison& tensor : comparison.tensors) {
    if (!tensor.incomparable.empty())
      names.push_back(fmt::format("{}: not compared: {}", printable(tensor.a->name), tensor.incomparable));
  }
  for (const std::string& name : comparison.only_in_a) names.push_back(printable(name) + ": only in A");
  for (const std::string& name : comparison.only_in_b) names.push_back(printable(name) + ": only in B");
  return names;
}

std::vector<std::string> crossed_limits(const Comparison& comparison, const std::vector<Limit>& limits) {
  std::vector<std::string> crossed;
  for (const Limit& limit : limits) {
    auto check = [&](const std::string& name, const Difference& difference) {
      if (!limit.crossed(difference)) return;
      std::string found = limit.has_measure(difference)
                              ? "found " + number(limit.measured(difference))
                              : counted(difference.nonfinite_changes, "value") + " differ by NaN or Inf";
      crossed.push_back(fmt::format("{}: {} ({})", name, limit.text(), found));
    };
    check("all tensors together", comparison.total);
    for (const TensorComparison& tensor : comparison.tensors) {
      if (tensor.incomparable.empty()) check(printable(tensor.a->name), tensor.difference);
    }
  }
  if (limits.empty()) return crossed;
  for (std::string& name : uncompared(comparison)) crossed.push_back(std::move(name));
  return crossed;
}

int run(Options& options, const CommonOptions& common) {
  std::vector<std::string> orders = sort_names();
  if (std::find(orders.begin(), orders.end(), options.sort) == orders.end()) {
    throw UsageError("--sort '{}': wanted one of {}{}", printable(options.sort), join(orders, ", "),
                     did_you_mean(options.sort, orders));
  }
  std::vector<Limit> limits;
  for (const std::string& text : options.fail_if) limits.push_back(Limit::parse(text));
  Model a = open_model(options.a);
  Model b = open_model(options.b);
  std::vector<std::string> inputs = a.paths();
  for (const std::string& path : b.paths()) inputs.push_back(path);
  check_json_target(common, inputs);
  if (options.focus_layer >= 0) options.compare.layer = options.focus_layer;
  options.compare.progress = common.progress();
  options.a = a.path();  // what `demo` stands for
  options.b = b.path();
  options.compare.keep_histograms = !common.json_path.empty();
  Comparison comparison = compare(a, b, options.compare);
  Rows rows = sorted_rows(comparison, options.sort);
  std::vector<std::string> crossed = crossed_limits(comparison, limits);
  if (common.prints_text()) {
    fmt::print("A {}\nB {}\n", printable(a.path()), printable(b.path()));
    print_tensors(comparison, rows, options.top == 0 ? rows.size() : static_cast<size_t>(options.top),
                  common.verbose);
    print_histograms(comparison);
    fmt::print("\n");
    print_summary(comparison);
    print_names("only in A", comparison.only_in_a);
    print_names("only in B", comparison.only_in_b);
    print_metadata(comparison);
  }
  write_json(common, [&] { return json_of(options, comparison, rows, crossed); });
  size_t shown = std::min<size_t>(crossed.size(), 10);
  std::fflush(stdout);
  for (size_t i = 0; i < shown; ++i) write_message("limit crossed: " + crossed[i]);
  if (shown < crossed.size()) write_message(fmt::format("and {} more", crossed.size() - shown));
  return crossed.empty() ? kDone : kLimitCrossed;
}

}  // namespace

std::function<int()> add_compare(CLI::App& app, CommonOptions& common) {
  auto options = std::make_shared<Options>();
  app.add_option("A", options->a, "The original: GGUF file, any part of a split one, or `demo`")->required();
  app.add_option("B", options->b, "The model to compare with it")->required();
  app.add_option("--focus-layer", options->focus_layer, "Only the tensors blk.N.* of this layer")
      ->type_name("N")
      ->check(CLI::Range(0, kMaxLayer));
  app.add_option("--sort", options->sort,
                 "Order of the tensors: " + join(sort_names(), ", ") + "; measures put the worst first")
      ->type_name("KEY");
  app.add_option("--top", options->top, "Print only the first N tensors that differ; 0 is all")
      ->type_name("N")
      ->check(CLI::Range(0, 1000000000));
  app.add_option(
         "--fail-if", options->fail_if,
         "Exit with 3 when this is true of a tensor or of all together, as in max_rel>0.01; measures: " +
             Limit::metric_names())
      ->type_name("LIMIT")
      ->allow_extra_args(false);
  add_epsilon_option(app, options->compare.epsilon, "|a - b| / (|a| + epsilon)");
  app.footer(
      "max rel is 1 or more wherever a value becomes 0, as in every integer format: RMSE and SNR say more "
      "there.\n"
      "W1: Wasserstein-1 distance of the two sets of values. KL(hist): divergence of their histograms in "
      "nats.\n"
      "Both, and the histograms, are of a sample in big tensors (--json says of how many values); all "
      "other measures are of\n"
      "every value.\n"
      "Tensors of different types are compared by value. Tensors that hold the same values are listed with "
      "-v only.");
  return [options, &common] { return run(*options, common); };
}

}  // namespace fakequant::cli
