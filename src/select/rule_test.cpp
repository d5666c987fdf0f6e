#include "select/rule.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "formats/format_grammar.h"
#include "select/toml_guard.h"

namespace fakequant {
namespace {

std::string recipe_error(const std::string& text) {
  try {
    parse_recipe(text, "r.toml");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(ParseStore, ReadsEveryNameInAnyCase) {
  for (Store store : {Store::keep, Store::automatic, Store::f32, Store::f16, Store::bf16, Store::narrow}) {
    EXPECT_EQ(parse_store(name_of(store)), store);
  }
  EXPECT_EQ(parse_store("AUTO"), Store::automatic);
  EXPECT_EQ(name_of(Store::automatic), "auto");
  EXPECT_THROW(parse_store("atuo"), UsageError);
  EXPECT_THROW(parse_store(""), UsageError);
}

TEST(ParseRecipe, ReadsRulesInOrderWithTheirLines) {
  Recipe recipe = parse_recipe(
      "# norms first\n[[rule]]\ntensors = \"ffn_norm\"\nlayers = \"0-2\"\nformat = \"bf16:rtz\"\nstore = "
      "\"keep\"\n\n"
      "[[rule]]\nformat = 'INT4:group=32'\n",
      "r.toml");
  EXPECT_EQ(recipe.path, "r.toml");
  ASSERT_EQ(recipe.rules.size(), 2u);
  EXPECT_EQ(recipe.rules[0].name, "rule 1 (line 2)");
  EXPECT_EQ(recipe.rules[0].tensors->text(), "ffn_norm");
  EXPECT_EQ(recipe.rules[0].layers->text(), "0-2");
  EXPECT_EQ(recipe.rules[0].format, parse_format("bf16:rtz"));
  EXPECT_EQ(recipe.rules[0].store, Store::keep);
  EXPECT_EQ(recipe.rules[1].name, "rule 2 (line 8)");
  EXPECT_FALSE(recipe.rules[1].tensors || recipe.rules[1].layers || recipe.rules[1].store);
  EXPECT_EQ(recipe.rules[1].format, parse_format("int4:group=32"));
}

TEST(ParseRecipe, TakesInlineTablesAndExpressionsInLiteralStrings) {
  Recipe recipe =
      parse_recipe("rule = [{tensors = '/^blk\\.\\d{1,2}\\./, !norm', format = \"f16\"}]", "r.toml");
  ASSERT_EQ(recipe.rules.size(), 1u);
  EXPECT_EQ(recipe.rules[0].tensors->text(), "/^blk\\.\\d{1,2}\\./, !norm");
}

TEST(ParseRecipe, ReportsEveryProblemAtOnce) {
  EXPECT_EQ(
      recipe_error("[[rule]]\nformt = 'bf16'\nlayers = 0\nstore = 'atuo'\n\n[[rule]]\ntensors = "
                   "['a']\nformat = 'bf61'\n\n[[rules]]\n"),
      "r.toml:1: rule 1 has no format; write format = \"bf16\", or \"f32\" to leave its tensors\n"
      "r.toml:2: rule 1: unknown key 'formt'; a rule holds tensors, layers, format, store; did you mean "
      "format?\n"
      "r.toml:3: rule 1: layers: found an integer, wanted a string in quotes, such as \"0-2\"\n"
      "r.toml:4: rule 1: store 'atuo': wanted one of keep, auto, f32, f16, bf16, narrow; did you mean auto?\n"
      "r.toml:7: rule 2: tensors: found an array, wanted a string in quotes\n"
      "r.toml:8: rule 2: format 'bf61': 'bf61' is no format; see `fakequant formats`; did you mean bf16?\n"
      "r.toml:10: unknown key 'rules'; a recipe holds [[rule]] tables only; did you mean rule?");
}

TEST(ParseRecipe, BadSelectionsNameTheirPart) {
  EXPECT_EQ(recipe_error("[[rule]]\nformat = 'bf16'\nlayers = '2-0'"),
            "r.toml:3: rule 1: layer selection '2-0': the range '2-0' at character 1 runs backwards; did you "
            "mean 0-2?");
  EXPECT_NE(recipe_error("[[rule]]\nformat = 'bf16'\ntensors = '/(/'")
                .find("r.toml:3: rule 1: tensor selection '/(/'"),
            std::string::npos);
}

TEST(ParseRecipe, ARecipeWithoutRulesIsAnError) {
  std::string text = "no rules; write [[rule]] and below it format = \"...\"";
  EXPECT_EQ(recipe_error(""), "r.toml: " + text);
  EXPECT_EQ(recipe_error("# nothing\n"), "r.toml: " + text);
  EXPECT_EQ(recipe_error("rule = []"), "r.toml:1: 'rule' is an empty list; write [[rule]] for each");
  EXPECT_EQ(recipe_error("rule = 3"),
            "r.toml:1: 'rule' is no list of tables; write [[rule]] with two brackets");
  EXPECT_EQ(recipe_error("[rule]\nformat = 'bf16'"),
            "r.toml:1: 'rule' is no list of tables; write [[rule]] with two brackets");
  EXPECT_EQ(recipe_error("rule = [{format = 'bf16'}, 3]"), "r.toml:1: rule 2 is no table; write [[rule]]");
}

TEST(ParseRecipe, SyntaxErrorsNameLineAndColumn) {
  std::string text = recipe_error("[[rule]]\nformat = bf16\n");
  EXPECT_EQ(text.find("r.toml:2: "), 0u) << text;
  EXPECT_NE(text.find("(column 10)"), std::string::npos) << text;
  EXPECT_NE(recipe_error("[[rule]]\nformat = 'bf16'\nformat = 'f16'\n"), "") << "a key twice";
  EXPECT_NE(recipe_error("x = '\xff'"), "");
  EXPECT_NE(recipe_error(std::string("a\0b", 3)), "");
  for (const char* value :
       {"1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "1.5", "true", "nan", "{a = 1}", "[]"}) {
    EXPECT_NE(recipe_error(std::string("[[rule]]\nformat = ") + value).find("wanted a string in quotes"),
              std::string::npos)
        << value;
  }
}

TEST(ParseRecipe, DeepNestingIsRefused) {
  EXPECT_NE(recipe_error("a = " + std::string(5000, '[')), "");
  std::string dots = "a";
  for (int i = 0; i < 300'000; ++i) dots += ".a";
  EXPECT_NE(recipe_error(dots + " = 1").find("dots"), std::string::npos);
  EXPECT_NE(recipe_error("[" + dots + "]").find("dots"), std::string::npos);
}

TEST(ParseRecipe, OtherAlphabetsBelongInQuotesAndComments) {
  EXPECT_EQ(recipe_error("\xef\xbb\xbf[[rule]] # caf\xc3\xa9\ntensors = '*caf\xc3\xa9*'\nformat = 'bf16'"),
            "");
  EXPECT_EQ(recipe_error("[[rule]]\nform\xc3\xa4t = 'bf16'"),
            "r.toml:2: a character outside ASCII stands outside quotes (column 5)");
  EXPECT_NE(recipe_error("[[rule]]\nformat\xc2\xa0= 'bf16'"), "") << "a no-break space";
}

TEST(ParseRecipe, LargeTextIsRefused) {
  EXPECT_EQ(recipe_error(std::string(kMaxTomlBytes + 1, '\n')),
            "recipe r.toml is larger than 1.000 MiB, the most that is read");
  EXPECT_EQ(recipe_error("[[rule]]\nformat = 'bf16'" + std::string(kMaxTomlBytes - 24, '\n')), "");
}

TEST(LoadRecipe, ReadsFilesAndNamesThoseItCannot) {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("fakequant_rule_test_" + std::to_string(getpid()) + ".toml");
  std::ofstream(path) << "[[rule]]\nformat = 'tf32'\n";
  EXPECT_EQ(load_recipe(path.string()).rules[0].format, parse_format("tf32"));
  EXPECT_EQ(load_recipe(path.string()).path, path.string());
  std::filesystem::resize_file(path, kMaxTomlBytes + 1);
  EXPECT_THROW(load_recipe(path.string()), Error);
  std::filesystem::remove(path);
  try {
    load_recipe(path.string());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "cannot read recipe " + path.string() + ": No such file or directory");
  }
  EXPECT_THROW(load_recipe(std::filesystem::temp_directory_path().string()), Error);
}

}  // namespace
}  // namespace fakequant
