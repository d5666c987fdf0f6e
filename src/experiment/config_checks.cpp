#include "experiment/config_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"

namespace fakequant {
namespace {

// Names that may stand once.
class UniqueNames {
 public:
  UniqueNames(std::string noun, TomlProblems& problems) : noun_(std::move(noun)), problems_(problems) {}

  void add(const std::string& name, size_t line) {
    if (name.empty()) return;  // told already
    auto [known, added] = lines_.emplace(name, line);
    if (added) return;
    std::string first = known->second == line ? "" : fmt::format(", first in line {}", known->second);
    problems_.report(line, fmt::format("{} '{}': found twice{}, wanted once", noun_, excerpt(name), first));
  }

 private:
  std::string noun_;
  TomlProblems& problems_;
  std::map<std::string, size_t> lines_;
};

void check_names(const ExperimentConfig& config, TomlProblems& problems) {
  UniqueNames models("model", problems);
  for (const ConfigModel& model : config.models) models.add(model.name, model.place.line);
  UniqueNames texts("text", problems);
  for (const ConfigText& text : config.texts) texts.add(text.name, text.place.line);
  UniqueNames stages("stage", problems);
  UniqueNames variants("variant", problems);
  for (const ConfigStage& stage : config.stages) {
    stages.add(stage.name, stage.place.line);
    for (const ConfigVariant& variant : stage.variants) variants.add(variant.name, variant.place.line);
  }
  UniqueNames criteria("criterion", problems);
  for (const ConfigCriterion& criterion : config.criteria) criteria.add(criterion.name, criterion.place.line);
}

// What to write so that a metric of this kind of records has values; "" where it has.
std::string missing_measure(const ExperimentConfig& config, std::string_view kind) {
  const ConfigMeasures& measures = config.measures;
  if (kind == "difference" && !measures.difference) return "difference = true in [measure]";
  if (kind == "load" && !measures.load) return "load = true in [measure]";
  if ((kind == "divergence" || kind == "perplexity") && !measures.divergence) {
    return config.texts.empty() ? "[[text]] and below it file = \"...\"" : "divergence = true in [measure]";
  }
  if (kind == "generation" && measures.prompts.empty())
    return "prompts = \"default\" in [measure], or [[prompt]]";
  if (kind == "speed" && !measures.speed) return "speed = true in [measure]";
  return "";
}

}  // namespace

void check_measured(const ExperimentConfig& config, const Condition& condition, size_t line,
                    TomlProblems& problems) {
  std::string missing = missing_measure(config, condition.metric->kind);
  if (missing.empty()) return;
  problems.report(line, fmt::format("condition '{}': {} is not measured; write {}", excerpt(condition.text),
                                    condition.metric->name, missing));
}

void check_stage(const ExperimentConfig& config, const std::string& stage, size_t line,
                 const std::string& place, TomlProblems& problems) {
  std::vector<std::string> names;
  for (const ConfigStage& known : config.stages) {
    if (known.name == stage) return;
    names.push_back(excerpt(known.name));
  }
  problems.report(line, fmt::format("{}stages: there is no stage '{}', wanted one of {}{}", place,
                                    excerpt(stage), some_of(names), did_you_mean(stage, names)));
}

// llama.cpp computes with quantized values in its flash attention alone.
void check_cache_v(const ConfigSettings& settings, TensorType type, size_t line, const std::string& place,
                   TomlProblems& problems) {
  if (settings.flash_attention != FlashAttention::off || facts_of(type).type_class != TypeClass::quantized)
    return;
  problems.report(line, fmt::format("{}cache_v: {} needs flash attention, found flash_attention = \"off\"",
                                    place, lower(name_of(type))));
}

void check_config(const ExperimentConfig& config, TomlProblems& problems) {
  check_names(config, problems);
  size_t count = 0;
  for (const ConfigStage& stage : config.stages) {
    count += stage.variants.size();
    for (const ConfigVariant& variant : stage.variants) {
      if (variant.cache_v)
        check_cache_v(config.settings, *variant.cache_v, variant.place.line,
                      fmt::format("variant '{}': ", excerpt(variant.name)), problems);
    }
  }
  if (count > kMaxVariants)
    problems.report(0, fmt::format("found {} variants, wanted at most {}", format_count(count),
                                   format_count(kMaxVariants)));
}

}  // namespace fakequant
