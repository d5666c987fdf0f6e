// fakequant compare: the difference of two models, tensor by tensor, and of their metadata.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>

#include "base/error.h"
#include "base/message.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/compare_report.h"
#include "cli/limit.h"
#include "cli/table.h"
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

ComparisonRows sorted_rows(const Comparison& comparison, const std::string& order) {
  ComparisonRows rows;
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
  options.compare.keep_histograms = !common.json_path.empty();
  Comparison comparison = compare(a, b, options.compare);
  ComparisonRows rows = sorted_rows(comparison, options.sort);
  std::vector<std::string> crossed = crossed_limits(comparison, limits);
  if (common.prints_text()) {
    fmt::print("A {}\nB {}\n", printable(a.path()), printable(b.path()));
    print_comparison(comparison, rows, options.top == 0 ? rows.size() : static_cast<size_t>(options.top),
                     common.verbose);
  }
  write_json(common, [&] {
    Json result{{"schema_version", kSchemaVersion},
                {"a", a.path()},
                {"b", b.path()},
                {"epsilon", options.compare.epsilon},
                {"limits_crossed", crossed}};
    result.update(comparison_json(comparison, rows));
    return result;
  });
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
