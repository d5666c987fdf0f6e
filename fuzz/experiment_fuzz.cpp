// Experiment files: an experiment that keeps its promises, or an Error with printable text.

#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "experiment/config.h"

namespace {

using namespace fakequant;

void require(bool condition) {
  if (!condition) std::abort();
}

// /dev/null stands for every file: what is fuzzed is the experiment's own text.
ConfigOverrides overrides() {
  ConfigOverrides result;
  result.demo = {[] { return "/dev/null"; }, [] { return "/dev/null"; }};
  return result;
}

void check(const ExperimentConfig& config) {
  require(!config.models.empty());
  require(!config.stages.empty());
  std::set<std::string> names;
  for (const ConfigStage& stage : config.stages) {
    require(!stage.name.empty() && !stage.variants.empty());
    for (const ConfigVariant& variant : stage.variants) {
      require(names.insert(variant.name).second);
      require(!variant.rules.empty() || variant.model || variant.cache_k || variant.cache_v);
    }
  }
  require(names.size() <= kMaxVariants);
  require(config.stages.front().conditions.empty());
  require(config.measures.prompts.size() <= kMaxPromptRuns);
}

void try_experiment(std::string_view text) {
  try {
    check(parse_experiment(text, "experiment.toml", overrides()));
  } catch (const Error& error) {
    std::string problems = error.what();
    require(!problems.empty());
    for (const std::string& line : split(problems, '\n')) {
      require(line == printable(line));
      require(line.starts_with("experiment.toml:") || line.starts_with("experiment file "));
    }
  }
}

void try_condition(std::string_view text) {
  try {
    Condition condition = parse_condition(text);
    require(condition.holds(condition.limit) == (condition.comparator == Comparator::less_equal ||
                                                 condition.comparator == Comparator::greater_equal ||
                                                 condition.comparator == Comparator::equal));
  } catch (const Error& error) {
    require(std::string(error.what()) == printable(error.what()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  try_experiment(text);
  try_condition(text);
  return 0;
}
