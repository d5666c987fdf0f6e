#include "evaluate/evaluation_inputs.h"

#include <gtest/gtest.h>

#include "engine/chunk_decoder.h"
#include "evaluate/testing.h"

namespace fakequant {
namespace {

using namespace evaluate_testing;
using gguf_testing::error_of;
using gguf_testing::TestFolder;

const std::string kText = read_text(std::string(FAKEQUANT_SOURCE_DIR) + "/data/demo-wordnet-heldout.txt");

// Inputs of one model or two, of which the first is the demo.
struct Inputs {
  explicit Inputs(const InputOptions& options, std::vector<InputText> texts = {{"t", kText}},
                  const std::string& other = "") {
    std::vector<InputModel> models;
    models.emplace_back("demo", opened.emplace_back(Model::open(kDemo)));
    if (!other.empty()) models.emplace_back("other", opened.emplace_back(Model::open(other)));
    inputs.emplace(std::move(models), std::move(texts), options);
  }

  std::vector<TokenizedText> texts() const { return inputs->texts(inputs->models().front()); }

  std::deque<Model> opened;
  std::optional<EvaluationInputs> inputs;
};

InputOptions of_context(int context, int batch = 0) {
  InputOptions options;
  options.decode.context = context;
  options.decode.batch = batch;
  return options;
}

TEST(EvaluationInputs, ChooseContextAndBatch) {
  EXPECT_EQ(Inputs({}).inputs->decode().context, 256) << "what the demo was trained on";
  EXPECT_EQ(Inputs({}).inputs->decode().batch, kDefaultBatch);
  EXPECT_EQ(Inputs(of_context(64)).inputs->decode().context, 64);
  EXPECT_EQ(Inputs(of_context(64, 100)).inputs->decode().batch, 100);
  EXPECT_EQ(Inputs(of_context(4)).inputs->decode().batch, 4 * most_chunks_together()) << "that is less";
}

TEST(EvaluationInputs, GiveTextsAsTheModelReadsThem) {
  Inputs inputs(of_context(64), {{"all", kText}, {"some", kText, 3}});
  std::vector<TokenizedText> texts = inputs.texts();
  ASSERT_EQ(texts.size(), 2U);
  EXPECT_EQ(texts[0].file, "all");
  EXPECT_EQ(texts[0].tokens, running().model.tokenize(kText));
  EXPECT_EQ(texts[0].chunks, texts[0].tokens.size() / 64);
  EXPECT_EQ(texts[1].chunks, 3U);
  EXPECT_EQ(texts[1].tokens, texts[0].tokens);
}

TEST(EvaluationInputs, CallSettingsByTheirNames) {
  InputOptions options = of_context(300);
  options.names.context = "context";
  options.names.batch = "batch";
  EXPECT_EQ(Inputs(options).inputs->context_warnings(),
            std::vector<std::string>{
                "demo: context 300 is more than the 256 tokens that the model was trained on"});
  EXPECT_EQ(Inputs(of_context(256)).inputs->context_warnings(), std::vector<std::string>{});
  EXPECT_EQ(error_of([&] { Inputs(options, {{"short", "a few words"}}).texts(); }).find("short: found "), 0U);
  EXPECT_NE(error_of([&] {
              Inputs(options, {{"short", "a few words"}}).texts();
            }).find("a smaller context"),
            std::string::npos);
  options.decode.context = 4;
  options.decode.batch = 4 * most_chunks_together() + 4;
  EXPECT_EQ(error_of([&] { Inputs inputs(options); }),
            "batch 1028: found 257 chunks of 4 tokens in a batch, wanted at most 256; give batch 1024");
}

TEST(EvaluationInputs, RefuseOtherVocabulariesOnlyWhereModelsAreCompared) {
  TestFolder folder;
  std::string path = folder.write(
      "other.gguf", engine_testing::demo_without({"tokenizer.ggml.bos_token_id"}, [](auto& builder) {
        builder.add("tokenizer.ggml.bos_token_id", uint32_t{7});
      }));
  InputOptions options = of_context(32);
  EXPECT_EQ(Inputs(options, {}, path).inputs->models().size(), 2U);
  options.compared = true;
  std::string error = error_of([&] { Inputs inputs(options, {}, path); });
  EXPECT_EQ(error.find("other: found another vocabulary than that of demo"), 0U) << error;
  EXPECT_NO_THROW(Inputs(options, {}, kDemo));
}

TEST(EvaluationInputs, NoticeAFileThatChanges) {
  TestFolder folder;
  std::string path = folder.write("changing.gguf", engine_testing::demo_without({}));
  Inputs inputs(of_context(32), {}, path);
  inputs.inputs->check_unchanged();
  std::ofstream(path, std::ios::binary | std::ios::app) << 'x';
  EXPECT_NE(error_of([&] { inputs.inputs->check_unchanged(); }).find("changing.gguf: the file changed"),
            std::string::npos);
}

}  // namespace
}  // namespace fakequant
