#include "cli/run_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "cli/json.h"
#include "cli/table.h"
#include "cli/text_block.h"
#include "experiment/forecast.h"
#include "experiment/model_bench.h"
#include "experiment/model_timing.h"
#include "experiment/model_uses.h"
#include "experiment/time_left.h"

namespace fakequant::cli {

namespace {

std::string bits_text(const std::optional<BitsPerWeight>& bits) {
  return bits ? fmt::format("{:.5g}", bits->value()) : "-";
}

// The kinds of measurements of a variant, each once: "difference, load, divergence, generation".
std::string measured_text(const ExperimentPlan& plan, size_t variant) {
  std::vector<std::string> kinds;
  for (const Measurement& measurement : plan.measurements) {
    if (measurement.variant != variant) continue;
    if (std::ranges::find(kinds, measurement.id.kind) == kinds.end()) kinds.push_back(measurement.id.kind);
  }
  return join(kinds, ", ");
}

std::string about_text(double seconds) {
  return seconds < 1 ? "<1 s" : duration_text(seconds);
}

bool is_left_out(const ExperimentVariant& variant) {
  return !variant.skipped_because.empty();
}

// The variant, with what tells it from others of its name.
std::string name_of(const ExperimentPlan& plan, const ExperimentVariant& variant) {
  std::string name = printable(variant.name);
  return plan.config.models.size() > 1 ? name + " on " + printable(plan.models[variant.model].name) : name;
}

void print_note(const std::string& text) {
  fmt::print("{}\n", wrapped(text, {.width = terminal_columns(), .indent = 2}));
}

void print_variants(const ExperimentPlan& plan, const Forecast& forecast) {
  using Align = Table::Align;
  bool many_stages = plan.config.stages.size() > 1;
  bool many_models = plan.config.models.size() > 1;
  std::vector<Table::Column> columns;
  if (many_stages) columns.push_back({"stage", Align::left});
  if (many_models) columns.push_back({"model", Align::left});
  columns.push_back({"variant", Align::left});
  for (const char* header : {"bits", "model bits", "file bits", "about"})
    columns.push_back({header, Align::right});
  Table table(columns);
  for (size_t i = 0; i < plan.variants.size(); ++i) {
    const ExperimentVariant& variant = plan.variants[i];
    VariantBits bits = bits_of(plan, variant);
    std::vector<std::string> row;
    if (many_stages) row.push_back(printable(variant.stage));
    if (many_models) row.push_back(printable(plan.models[variant.model].name));
    row.push_back(printable(variant.name));
    for (const auto& part : {bits.chosen, bits.model, bits.file}) row.push_back(bits_text(part));
    row.push_back(is_left_out(variant) ? "left out" : about_text(forecast.of_variant(plan, i)));
    table.add(row);
  }
  fmt::print("{}\n", table.text(terminal_styles()));
}

// What is measured of which variants, those of the same measurements together; and why some are left out.
void print_measurements(const ExperimentPlan& plan) {
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (size_t i = 0; i < plan.variants.size(); ++i) {
    if (is_left_out(plan.variants[i])) continue;
    std::string measured = measured_text(plan, i);
    auto group = std::ranges::find(groups, measured, [](const auto& pair) { return pair.first; });
    if (group == groups.end()) group = groups.insert(groups.end(), {measured, {}});
    group->second.push_back(name_of(plan, plan.variants[i]));
  }
  for (const auto& [measured, names] : groups) {
    std::string of = groups.size() == 1 ? "each variant" : some_of(names);
    print_note(fmt::format("measured of {}: {}", of, measured));
  }
  for (const ExperimentVariant& variant : plan.variants) {
    if (is_left_out(variant))
      print_note(
          fmt::format("{} is left out: {}", name_of(plan, variant), printable(variant.skipped_because)));
  }
}

void print_conditions(const ExperimentPlan& plan) {
  for (const ConfigStage& stage : plan.config.stages) {
    if (stage.conditions.empty()) continue;
    std::vector<std::string> conditions;
    for (const Condition& condition : stage.conditions) conditions.push_back(printable(condition.text));
    print_note(fmt::format("{} only if {}", printable(stage.name), join(conditions, " and ")));
  }
}

void print_criteria(const ExperimentPlan& plan) {
  using enum Table::Align;
  if (plan.config.criteria.empty()) return;
  bool some_stop = std::ranges::any_of(plan.config.criteria, &ConfigCriterion::stops);
  Table table({{"criterion", left}, {"wanted", left}, {some_stop ? "where not" : "", left}});
  for (const ConfigCriterion& criterion : plan.config.criteria) {
    table.add({printable(criterion.name),
               criterion.condition ? printable(criterion.condition->text) : "a person judges",
               criterion.stops ? "the experiment ends" : ""});
  }
  fmt::print("\n{}", table.text(terminal_styles()));
}

void print_total(const ExperimentPlan& plan, const Forecast& forecast) {
  size_t distinct = static_cast<size_t>(
      std::ranges::count_if(forecast.seconds, [](double seconds) { return seconds > 0; }));
  size_t variants =
      plan.variants.size() - static_cast<size_t>(std::ranges::count_if(plan.variants, is_left_out));
  fmt::print("\n{} of {}, about {} in all\n", counted(distinct, "measurement"), counted(variants, "variant"),
             duration_text(forecast.total));
  print_note(
      "bits: per weight, in the chosen tensors; of the model with those; of the file that `quantize` would "
      "write. about: from a short timing of the model on this machine, as busy as it is now; with everything "
      "that conditions may leave out.");
}

void print_plan(const ExperimentPlan& plan, const Forecast& forecast,
                const std::vector<ModelTiming>& timings) {
  if (!plan.config.title.empty()) fmt::print("{}\n", printable(plan.config.title));
  for (size_t i = 0; i < plan.config.models.size(); ++i) {
    const PlannedModel& model = plan.models[i];
    fmt::print("model: {}, {}\n", printable(model.name), format_bytes(model.model.total_bytes()));
    for (size_t text = 0; text < plan.texts.size(); ++text)
      fmt::print("  text: {}, {}\n", printable(plan.texts[text].name),
                 counted(timings[i].text_chunks[text], "chunk"));
  }
  fmt::print("\n");
  print_variants(plan, forecast);
  print_measurements(plan);
  print_conditions(plan);
  print_criteria(plan);
  print_total(plan, forecast);
}

Json forecast_json(const ExperimentPlan& plan, const Forecast& forecast) {
  Json measurements = Json::array();
  for (size_t i = 0; i < plan.measurements.size(); ++i)
    measurements.push_back(Json{{"key", plan.measurements[i].id.key}, {"seconds", forecast.seconds[i]}});
  Json warnings = Json::array();
  for (const PlanWarning& warning : plan.warnings) warnings.push_back(warning.text);
  return {{"schema_version", kSchemaVersion},
          {"experiment", experiment_record(plan)},
          {"forecast", {{"seconds", forecast.total}, {"measurements", std::move(measurements)}}},
          {"warnings", std::move(warnings)}};
}

// As a run does before it measures. Throws Error with a line for each problem.
void check_models(const ExperimentPlan& plan, int threads) {
  ModelBench bench(plan, threads);
  std::vector<std::string> problems;
  for (size_t model : models_that_run(plan)) {
    for (std::string& text : bench.problems(model)) {
      if (std::ranges::find(problems, text) == problems.end()) problems.push_back(std::move(text));
    }
  }
  if (!problems.empty()) throw Error("{}", join(problems, "\n"));
}

}  // namespace

int check_experiment(const ExperimentPlan& plan, int threads, const CommonOptions& common) {
  std::vector<std::string> inputs{plan.config.path};
  for (const PlannedModel& model : plan.models) {
    for (const std::string& path : model.model.paths()) inputs.push_back(path);
  }
  for (const PlannedText& text : plan.texts) inputs.push_back(text.path);
  check_json_target(common, inputs);
  check_models(plan, threads);
  std::vector<ModelTiming> timings;
  for (size_t i = 0; i < plan.config.models.size(); ++i) timings.push_back(time_model(plan, i, threads));
  Forecast expected = forecast(plan, timings);
  for (const PlanWarning& warning : plan.warnings) warn(common, warning.text);
  if (common.prints_text()) print_plan(plan, expected, timings);
  write_json(common, [&] { return forecast_json(plan, expected); });
  return kDone;
}

}  // namespace fakequant::cli
