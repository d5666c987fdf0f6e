// The selection grammars and recipes on any text: a value that keeps its promises, or an Error with printable
// text.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "select/plan.h"
#include "select/test_models.h"

namespace {

using namespace fakequant;

void require(bool condition) {
  if (!condition) std::abort();
}

// Errors may span lines; each of them must be safe to print.
template <typename Function>
void expect_clean(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    std::string text = error.what();
    require(!text.empty());
    for (const std::string& line : split(text, '\n')) require(line == printable(line));
  }
}

const testing::TestModel& model() {
  static const testing::TestModel value = [] {
    testing::TestModel result = testing::deepseek();
    result.add("rope_freqs.weight", {32}).add("blk.7.ffn_up.3.weight", {33, 2}).add("blk.7.ssm_a", {4, 4});
    result.add("ids", {5}, TensorType::I32);
    return result;
  }();
  return value;
}

void try_layers(std::string_view text) {
  LayerSelection layers = LayerSelection::parse(text);
  for (int layer : {0, 1, 7, kMaxLayer}) layers.contains(layer);
  std::vector<size_t> chosen = select_tensors(model().tensors(), std::nullopt, layers);
  for (size_t index : chosen) require(layers.contains(layer_of(model().tensors()[index].info->name).value()));
}

void try_tensors(std::string_view text) {
  TensorSelection tensors = TensorSelection::parse(text);
  std::vector<size_t> chosen = select_tensors(model().tensors(), tensors, std::nullopt);
  require(!chosen.empty());
  for (size_t index : chosen) require(tensors.contains(*model().tensors()[index].info));
}

void try_recipe(std::string_view text) {
  Recipe recipe = parse_recipe(text, "recipe.toml");
  require(!recipe.rules.empty());
  PlanOptions options;
  options.skip_unfit = true;
  Plan plan = make_plan(model().tensors(), recipe.rules, options);
  require(plan.tensors.size() + plan.skipped.size() <= model().tensors().size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  layer_of(text);
  role_of(text);
  expect_clean([&] { try_layers(text); });
  expect_clean([&] { try_tensors(text); });
  expect_clean([&] { try_recipe(text); });
  return 0;
}
