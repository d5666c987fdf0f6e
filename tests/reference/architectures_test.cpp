// Weights exchanged in memory against files that hold the same, on tiny models with random weights of many
// architectures. llama.cpp's own generator (test-llama-archs) writes them, one at a time. llama.cpp may end a process
// on any of them: each has one of its own, and its end is a failure of that model alone.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ostream>

#include "base/message.h"
#include "gguf/testing.h"
#include "rounded_model.h"

namespace fakequant {
namespace {

using namespace reference_testing;
using gguf_testing::TestFolder;

struct Architecture {
  const char* name;  // as the generator calls it
  const char* form;  // "dense", or "moe" for a mixture of experts
  const char* kind;
};

void PrintTo(const Architecture& row, std::ostream* out) {
  *out << row.name << ' ' << row.form << ": " << row.kind;
}

constexpr Architecture kArchitectures[] = {
    {"llama", "dense", "gated feed-forward, biases everywhere"},
    {"llama", "moe", "the same with experts"},
    {"qwen2", "dense", "biases of Q, K and V"},
    {"qwen3", "dense", "norms of Q and K, one head of K and V for all"},
    {"qwen3moe", "moe", "experts, norms of Q and K"},
    {"qwen2moe", "moe", "experts and a shared one with a gate"},
    {"olmo", "dense", "norms without weights"},
    {"olmo2", "dense", "norms behind attention and feed-forward"},
    {"olmoe", "moe", "experts, norms of Q and K over all heads"},
    {"gemma", "dense", "tied embeddings"},
    {"gemma2", "dense", "tied embeddings, sliding window, capped logits"},
    {"gemma3", "dense", "sliding window, four norms in a layer"},
    {"command-r", "dense", "tied embeddings, attention and feed-forward side by side"},
    {"cohere2", "dense", "tied embeddings, sliding window"},
    {"openelm", "dense", "tied embeddings, Q, K and V in one"},
    {"gpt2", "dense", "embeddings of positions; Q, K and V in one, with biases"},
    {"bloom", "dense", "ALiBi, a norm behind the embeddings"},
    {"mpt", "dense", "ALiBi and embeddings of positions"},
    {"falcon", "dense", "Q, K and V in one, without biases"},
    {"gptneox", "dense", "Q, K and V in one, with biases"},
    {"starcoder2", "dense", "feed-forward without gate, biases everywhere"},
    {"phi2", "dense", "a bias of the output"},
    {"phi3", "dense", "gate and up in one, RoPE factors for short and long contexts"},
    {"nemotron", "dense", "squared ReLU"},
    {"deepseek2", "moe", "multi-head latent attention, experts"},
    {"minicpm3", "dense", "multi-head latent attention"},
    {"kimi-linear", "moe", "linear attention, experts"},
    {"gpt-oss", "moe", "sliding window, sinks of attention, experts with biases"},
    {"llama4", "moe", "attention in chunks, layers without RoPE"},
    {"dbrx", "moe", "experts, Q, K and V in one"},
    {"bailingmoe2", "moe", "experts in groups and a shared one"},
    {"mamba", "dense", "recurrent"},
    {"mamba2", "dense", "recurrent"},
    {"jamba", "dense", "recurrent layers and layers with attention"},
    {"falcon-h1", "dense", "recurrence and attention in every layer"},
    {"nemotron_h", "dense", "layers that are one of recurrent, attention and feed-forward"},
    {"plamo2", "dense", "recurrent layers and layers with attention"},
    {"qwen3next", "moe", "gated delta rule, experts"},
    {"lfm2", "dense", "short convolutions"},
};

// All bytes of all weights of a loaded model.
std::vector<std::vector<std::byte>> contents(const ModelWeights& weights) {
  std::vector<std::vector<std::byte>> result;
  for (const std::string& name : weights.names()) {
    result.emplace_back(weights.bytes(name));
    weights.read(name, result.back());
  }
  return result;
}

// What goes wrong with one format; "" for nothing.
std::string compare_file_with_memory(const std::string& path, const std::string& format,
                                     const LoadedModel& model, ModelWeights& weights,
                                     const std::vector<float>& unpatched, int context) {
  RoundedModel rounded(path, format);
  std::vector<WeightChange> changes;
  for (size_t i = 0; i < rounded.plan().tensors.size(); ++i) {
    const std::string& name = rounded.name_of(rounded.plan().tensors[i]);
    if (weights.contains(name)) changes.push_back({name, rounded.bytes_of(i)});
  }
  std::string problems;
  std::vector<std::vector<std::byte>> before = contents(weights);
  std::vector<float> in_memory;
  {
    WeightPatch patch(weights, std::move(changes));
    patch.apply();
    in_memory = chunk_logits(model, context);
  }
  if (same_bits(in_memory, unpatched)) problems += fmt::format("{} changes no logit; ", format);
  if (contents(weights) != before) problems += fmt::format("{}: the weights are not restored; ", format);
  if (!same_bits(chunk_logits(model, context), unpatched))
    problems += fmt::format("{}: the logits are not what they were; ", format);
  TestFolder folder;
  rounded.write(folder.at("rounded.gguf"));
  LoadedModel of_file = LoadedModel::load({folder.at("rounded.gguf")}, {}, LoadedModel::Weights::loaded);
  if (!same_bits(chunk_logits(of_file, context), in_memory))
    problems += fmt::format("{}: the file gives other logits than memory; ", format);
  VirtualFile file = rounded.virtual_file();
  LoadedModel of_virtual = LoadedModel::load(file, {}, LoadedModel::Weights::loaded);
  if (!same_bits(chunk_logits(of_virtual, context), in_memory))
    problems += fmt::format("{}: the virtual file gives other logits than memory; ", format);
  return problems;
}

// Everything about one model; the message is of all that goes wrong, "" for nothing.
std::string check_model(const std::string& path, int context) try {
  LoadedModel model = LoadedModel::load({path}, {}, LoadedModel::Weights::loaded);
  ModelWeights weights(model, context);
  Model file = Model::open(path);
  std::string problems;
  for (const std::string& name : weights.names()) {
    if (file.find(name) == nullptr) problems += fmt::format("weight '{}' is not in the file; ", name);
  }
  std::vector<float> unpatched = chunk_logits(model, context);
  for (float logit : unpatched) {
    if (!std::isfinite(logit)) return problems + "found a logit that is not finite";
  }
  for (const char* format : {"bf16:rtz", "e4m3", "int4"})
    problems += compare_file_with_memory(path, format, model, weights, unpatched, context);
  return problems;
} catch (const std::exception& error) {
  return error.what();
}

// Has the generator write a model into `folder`; the same one at every call. The path of its file.
std::string generate(const TestFolder& folder, const std::string& name, const std::string& form) {
  std::string command = fmt::format("'{}/test-llama-archs' -s 1 -a {} -o '{}' > '{}' 2>&1",
                                    FAKEQUANT_LLAMA_BIN, name, folder.path(), folder.at("log"));
  EXPECT_EQ(std::system(command.c_str()), 0) << gguf_testing::read_file(folder.at("log"));
  return folder.at(fmt::format("{}-{}.gguf", name, form));
}

// In a process of its own: llama.cpp has not been started in this one, nor have threads.
[[noreturn]] void exit_with(const std::string& problems) {
  write_message(problems);
  _exit(problems.empty() ? 0 : 1);
}

class Architectures : public ::testing::TestWithParam<Architecture> {};

TEST_P(Architectures, GiveTheSameLogitsFromFileAndMemoryAndAreRestored) {
  TestFolder folder;
  std::string path = generate(folder, GetParam().name, GetParam().form);
  EXPECT_EXIT(exit_with(check_model(path, 64)), ::testing::ExitedWithCode(0), "");
}

std::string test_name(const ::testing::TestParamInfo<Architecture>& row) {
  std::string name = fmt::format("{}_{}", row.param.name, row.param.form);
  std::ranges::replace(name, '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Architectures, ::testing::ValuesIn(kArchitectures), test_name);

TEST(LongContext, UsesTheWeightsThatAreForIt) {
  TestFolder folder;
  std::string path = generate(folder, "phi3", "dense");
  auto check = [&] {
    LoadedModel model = LoadedModel::load({path}, {}, LoadedModel::Weights::loaded);
    int trained = model.training_context();
    for (int context : {trained, 2 * trained}) {
      ModelWeights weights(model, context);
      bool is_long = context > trained;
      if (weights.contains("rope_factors_long.weight") != is_long) return fmt::format("long: {}", !is_long);
      if (weights.contains("rope_factors_short.weight") == is_long) return fmt::format("short: {}", is_long);
    }
    return check_model(path, 2 * trained);
  };
  EXPECT_EXIT(exit_with(check()), ::testing::ExitedWithCode(0), "");
}

TEST(RequireTextModel, RefusesModelsThatPredictNoNextTokenOfText) {
  TestFolder folder;
  auto refusal = [](const std::string& path) {
    LoadedModel model = LoadedModel::load({path}, {}, LoadedModel::Weights::planned);
    return gguf_testing::error_of([&] { model.require_text_model(); });
  };
  std::string diffusion = generate(folder, "dream", "dense");
  EXPECT_EXIT(exit_with(refusal(diffusion)), ::testing::ExitedWithCode(1), "found a diffusion model");
  std::string text = generate(folder, "llama", "dense");
  EXPECT_EXIT(exit_with(refusal(text)), ::testing::ExitedWithCode(0), "");
  std::string bytes = gguf_testing::read_file(text);
  size_t place = bytes.find(gguf_testing::string_bytes("test"));
  ASSERT_NE(place, std::string::npos);
  bytes.replace(place, 12, gguf_testing::string_bytes("none"));
  std::string none = folder.write("none.gguf", bytes);
  EXPECT_EXIT(exit_with(refusal(none)), ::testing::ExitedWithCode(1), "found no vocabulary");
}

}  // namespace
}  // namespace fakequant
