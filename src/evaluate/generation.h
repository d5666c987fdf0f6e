#pragma once
// Texts that a baseline and its variants make of the same prompts, and where they part. Knows no files of prompts
// and no reports.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evaluate/prompts.h"
#include "evaluate/variant.h"

namespace fakequant {

struct GenerationOptions {
  DecodeOptions decode;  // context and threads do not count: the runs say what context they need
  // How many texts may be made at the same time, each by one thread: threads that share a text wait for each other
  // spinning. Memory can make them fewer, a graphics processor makes it one.
  size_t texts_at_once = 1;
  bool chat_template = false;  // a prompt is what a user says, put in the baseline's own chat template
};

// What a model made of one prompt.
struct GeneratedText {
  std::vector<int32_t> tokens;  // that which ended the text included
  std::string text;             // their pieces joined: valid UTF-8, U+FFFD for what is not
  bool ended = false;           // the model ended the text by itself
  size_t top_count = 0;         // how many of its tokens were the most likely one

  double top_share() const;  // of its tokens, those that were the most likely one
};

// A token that a text could go on with. Probabilities are those of the model itself, before temperature and sampling.
struct Candidate {
  int32_t token = 0;
  std::string name;  // its piece with what is no text as \xNN; of a special token its name
  double baseline_probability = 0;
  double variant_probability = 0;
};

// The first place where two texts have different tokens; all before are the same. The probabilities of both models
// come from reading prompt and common tokens at once, which can differ in last digits from reading them one by one.
struct Divergence {
  size_t token_index = 0;
  size_t text_bytes = 0;  // that both texts have in common, whole characters
  Candidate baseline;     // the baseline's token
  Candidate variant;      // the variant's
  bool near_tie = false;  // is_near_tie() of what the baseline gives the two
};

// Whether two candidates have probabilities within 10 % of each other: the smaller is at least 0.9 of the larger.
bool is_near_tie(double p, double q);

// A variant's text against the baseline's.
struct TextComparison {
  GeneratedText generated;
  std::optional<Divergence> divergence;  // none: token for token the same
  double equal_share = 1;   // of the positions of the longer one, those where both have the same token
  double forced_share = 1;  // under teacher forcing: of the baseline's tokens, those that the variant would
                            // find most likely in their place
};

// Sums over the runs of a variant.
struct GenerationTotals {
  size_t identical = 0;
  size_t near_ties = 0;
  double equal_share = 0;   // mean over texts
  double forced_share = 0;  // mean over texts
};

struct VariantTexts {
  std::string name;
  std::vector<TextComparison> texts;   // by run; none after a failure
  std::optional<std::string> failure;  // the variant computes NaN or Inf: the sentence that says where

  GenerationTotals totals() const;
};

struct GenerationResult {
  std::string baseline_name;
  std::vector<PromptRun> runs;
  std::vector<size_t> prompt_token_counts;  // by run
  std::vector<GeneratedText> baseline;      // by run
  std::vector<VariantTexts> variants;
};

// Is told after each text how many tokens it was worth, from several threads; may be empty.
using TextProgress = std::function<void(uint64_t tokens)>;

// The texts that a baseline makes of every run: made once, for variants one after the other.
class BaselineTexts {
 public:
  // Makes them.
  //
  //   baseline  what it names must outlive the result
  //   throws    Error when a prompt leaves no room in the context, when there is no chat template that llama.cpp
  //             knows, and when llama.cpp fails; NonFiniteError when the baseline computes NaN or Inf
  BaselineTexts(const Variant& baseline, const std::vector<PromptRun>& runs, const GenerationOptions& options,
                const TextProgress& progress);
  ~BaselineTexts();
  BaselineTexts(const BaselineTexts&) = delete;
  BaselineTexts& operator=(const BaselineTexts&) = delete;

  // Without variants.
  const GenerationResult& result() const { return result_; }

  // Makes the texts of a variant and compares. Of the baseline's vocabulary (checked), its texts end with the same tokens
  // (differing_end). Throws Error when llama.cpp fails; what computes NaN or Inf is told of in the result.
  VariantTexts compare(const Variant& variant, const TextProgress& progress);

 private:
  struct Parts;
  void ask_baseline(VariantTexts& variant);

  GenerationResult result_;
  std::unique_ptr<Parts> parts_;
};

// Makes the text of every run with the baseline, then with each variant, and compares: BaselineTexts for variants that are at hand
// together. A single model is a baseline without variants. `progress` is told generation_work() in all.
//
// Results depend on neither the number of threads nor the order of the runs.
GenerationResult measure_generation(const Variant& baseline, std::span<const Variant> variants,
                                    const std::vector<PromptRun>& runs, const GenerationOptions& options,
                                    const TextProgress& progress);

// What measure_generation() tells `progress` in all: the most tokens that the runs may make, for each model.
uint64_t generation_work(const std::vector<PromptRun>& runs, size_t variant_count);

// The index of the first difference of two lists, or the length of the shorter one.
size_t common_length(std::span<const int32_t> a, std::span<const int32_t> b);

// The share of positions of the longer list where the other has the same; 1 for two empty ones.
double equal_share(std::span<const int32_t> a, std::span<const int32_t> b);

}  // namespace fakequant
