#include "experiment/config_keys.h"

#include <algorithm>

#include "base/error.h"

namespace fakequant {
namespace {

const ConfigTable kTables[] = {
    {"", "", "an experiment holds", "What the experiment is, and which models it is about."},
    {"text", "[[text]]", "a text holds",
     "A text that perplexity and divergence are measured on. Repeat it for more."},
    {"settings", "[settings]", "[settings] holds",
     "How models are run and weights are rounded, for all variants alike."},
    {"measure", "[measure]", "[measure] holds", "What is measured of every variant."},
    {"prompt", "[[prompt]]", "a prompt holds",
     "Prompts that stand in the experiment file itself, in place of `prompts`. Of lists, every combination "
     "is a text."},
    {"stage", "[[stage]]", "a stage holds",
     "Variants that are measured together, and what earlier stages must have shown first. Stages run in "
     "their order."},
    {"variant", "[[stage.variant]]", "a variant holds",
     "What is compared with the unchanged model. Of a file without stages it is `[[variant]]`. A list under "
     "several keys means every combination, each a variant of its own; the key that is written last changes "
     "fastest."},
    {"rule", "[[stage.variant.rule]]", "a rule holds",
     "Rules of one variant, as in a recipe: for each tensor the first that matches decides."},
    {"criterion", "[[criterion]]", "a criterion holds",
     "What a result must be; the report says of each whether it passed."},
    {"limits", "[limits]", "[limits] holds",
     "How much an experiment may take. Where a limit is reached, the run ends cleanly and can be resumed."},
    {"output", "[output]", "[output] holds", "What else is written into the run's folder."},
};

}  // namespace

std::span<const ConfigTable> config_tables() {
  return kTables;
}

const ConfigTable& config_table(std::string_view name) {
  auto found = std::ranges::find_if(kTables, [&](const ConfigTable& table) { return table.name == name; });
  FQ_CHECK(found != std::end(kTables));
  return *found;
}

const ConfigKey& config_key(std::string_view table, std::string_view name) {
  auto found = std::ranges::find_if(
      config_keys(), [&](const ConfigKey& key) { return key.table == table && key.name == name; });
  FQ_CHECK(found != config_keys().end());
  return *found;
}

std::vector<std::string> key_names(std::string_view table) {
  std::vector<std::string> names;
  for (const ConfigKey& key : config_keys()) {
    if (key.table == table) names.emplace_back(key.name);
  }
  return names;
}

}  // namespace fakequant
