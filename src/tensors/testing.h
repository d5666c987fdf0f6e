#pragma once
// For tests only: small models on disk whose tensors hold given values.

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/codec.h"
#include "formats/format_grammar.h"
#include "gguf/testing.h"
#include "tensors/rewrite.h"

namespace fakequant::tensors_testing {

using gguf_testing::GgufBuilder;
using gguf_testing::TestFolder;

inline std::vector<float> normal_values(size_t count, unsigned seed, float spread = 0.02f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

inline std::string encoded(TensorType type, int64_t row_length, std::span<const float> values) {
  const TypeFacts& facts = facts_of(type);
  std::string bytes(values.size() / facts.block_values * facts.block_bytes, '\0');
  if (!values.empty()) encode(type, row_length, values, {}, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

inline void add_values(GgufBuilder& builder, const std::string& name, TensorType type,
                       const std::vector<int64_t>& shape, std::span<const float> values) {
  builder.add_tensor(name, static_cast<uint32_t>(type), shape,
                     encoded(type, shape.empty() ? 1 : shape[0], values));
}

inline std::vector<float> values_of(const Model& model, std::string_view name) {
  for (const Model::Located& tensor : model.tensors()) {
    if (tensor.info->name != name) continue;
    std::vector<float> values(static_cast<size_t>(tensor.info->value_count));
    decode(tensor.info->type, model.data_of(tensor), values);
    return values;
  }
  throw Error("no tensor '{}'", name);
}

// One call of quantize: `input` to `output` with one rule.
struct Quantized {
  std::string path;
  Plan plan;
  RewritePlan layout;
  RewriteResult result;
};

inline Quantized quantize(const std::string& input, const std::string& output, const std::string& tensors,
                          const std::string& format, Store store = Store::keep, RewriteOptions options = {},
                          const ImportanceMatrix& importance = {}) {
  options.progress = Progress::Mode::silent;
  Model model = Model::open(input);
  Rule rule{std::string(kCommandLineRule), TensorSelection::parse(tensors), std::nullopt,
            parse_format(format), store};
  Quantized done{output, make_plan(model.tensors(), {rule}, {}), {}, {}};
  PlannedRounders rounders(model, done.plan, importance);
  done.layout = plan_rewrite(model, done.plan, rounders, output, options);
  done.result = rewrite(model, done.plan, rounders, done.layout, options);
  // What refers to the model does not outlive this function.
  done.layout.layouts.clear();
  return done;
}

}  // namespace fakequant::tensors_testing
