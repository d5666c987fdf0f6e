#include "experiment/config_reference.h"

#include <gtest/gtest.h>

#include "evaluate/prompt_tables.h"
#include "experiment/testing.h"
#include "select/rule_tables.h"

namespace fakequant {
namespace {

TEST(ConfigReference, TheDocumentationHasEveryKeyAndMetric) {
  std::string page = testing::read_file(testing::source_path("docs/experiments.md"));
  EXPECT_TRUE(page.ends_with(config_reference()))
      << "put the output of `fakequant generate experiment-reference` below \"## Every key\" in "
         "docs/experiments.md";
}

TEST(ConfigReference, TheSchemaIsTheParsers) {
  bool is_same = testing::read_file(testing::source_path("docs/experiment.schema.json")) ==
                 config_schema().dump(2) + "\n";
  EXPECT_TRUE(is_same) << "run `fakequant generate experiment-schema > docs/experiment.schema.json`";
}

TEST(ConfigReference, SaysWhatAKeyTakes) {
  EXPECT_EQ(kind_text(config_key("settings", "context")), "a whole number from 4 to 16,777,216");
  EXPECT_EQ(kind_text(config_key("settings", "flash_attention")), "`on`, `off` or `auto`");
  EXPECT_EQ(kind_text(config_key("variant", "layers")), "text; or a list");
  EXPECT_EQ(kind_text(config_key("", "models")), "a list: text");
}

// These tables are read by the readers of recipes and prompts, which have lists of their own.
TEST(ConfigKeys, RulesAndPromptsHaveTheKeysOfTheirReaders) {
  EXPECT_EQ(key_names("rule"), rule_keys());
  EXPECT_EQ(key_names("prompt"), prompt_keys());
}

TEST(ConfigKeys, EveryTableIsUnderAKey) {
  for (const ConfigTable& table : config_tables()) {
    EXPECT_FALSE(key_names(table.name).empty()) << table.name;
    bool is_used = table.name.empty();
    for (const ConfigKey& key : config_keys()) {
      bool holds_tables = key.kind == KeyKind::table || key.kind == KeyKind::tables;
      is_used = is_used || (holds_tables && key.name == table.name);
    }
    EXPECT_TRUE(is_used) << table.name;
  }
}

}  // namespace
}  // namespace fakequant
