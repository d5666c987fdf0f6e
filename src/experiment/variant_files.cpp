#include "experiment/variant_files.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/text.h"
#include "tensors/rewrite.h"

namespace fakequant {

namespace {

namespace fs = std::filesystem;

// A variant's name as the name of a file.
std::string file_name(const std::string& name, const std::string& key) {
  std::string result;
  for (char c : name) {
    bool is_plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
    bool is_gap = !result.empty() && result.back() == '-';
    if (is_plain || !is_gap) result += is_plain ? c : '-';
  }
  constexpr size_t kMostBytes = 80;
  constexpr size_t kKeyDigits = 8;
  return result.substr(0, kMostBytes) + "-" + key.substr(0, kKeyDigits) + ".gguf";
}

// The key of the first measurement of the variant that is in the folder; "" for none.
std::string measured_key(const ExperimentPlan& plan, size_t variant, const std::set<std::string>& measured) {
  for (const Measurement& measurement : plan.measurements) {
    if (measurement.variant == variant && measured.contains(measurement.id.key)) return measurement.id.key;
  }
  return "";
}

void write_file(const ExperimentPlan& plan, const ExperimentVariant& variant, const std::string& path,
                Progress::Mode progress) {
  const Model& model = plan.models[variant.model].model;
  PlannedRounders rounders(model, *variant.plan, plan.importance, plan.config.settings.seed);
  RewriteOptions options{.epsilon = plan.config.settings.epsilon, .progress = progress};
  RewritePlan layout = plan_rewrite(model, *variant.plan, rounders, path, options);
  rewrite(model, *variant.plan, rounders, layout, options);
}

}  // namespace

void write_variant_files(const ExperimentPlan& plan, const std::string& folder, Progress::Mode progress,
                         const std::function<void(const std::string&)>& say) {
  std::set<std::string> measured;
  RunFolder journal(folder);
  for (const Measured& one : journal.measurements()) {
    if (one.record != nullptr) measured.insert(one.id.key);
  }
  fs::path files = fs::path(folder) / kVariantFolder;
  fs::create_directories(files);
  for (size_t i = 0; i < plan.variants.size(); ++i) {
    const ExperimentVariant& variant = plan.variants[i];
    std::string key = measured_key(plan, i, measured);
    if (variant.config == nullptr || !variant.plan || key.empty()) continue;
    std::string path = (files / file_name(variant.name, key)).string();
    std::string first = shard_output_names(path, plan.models[variant.model].model.shards().size()).front();
    if (fs::exists(first)) continue;
    write_file(plan, variant, path, progress);
    say(printable(variant.name) + " is " + printable(first));
  }
}

}  // namespace fakequant
