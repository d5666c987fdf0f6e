// The rows of config_keys(): what stands here stands nowhere else.

#include "experiment/config_keys.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/decode_options.h"
#include "evaluate/paired_times.h"
#include "evaluate/prompts.h"
#include "experiment/metric.h"
#include "formats/format_grammar.h"
#include "select/rule.h"

namespace fakequant {
namespace {

void check_tensors(std::string_view, const std::string& text) {
  TensorSelection::parse(text);
}

void check_layers(std::string_view, const std::string& text) {
  LayerSelection::parse(text);
}

void check_format(std::string_view, const std::string& text) {
  parse_format(text);
}

void check_control(std::string_view, const std::string& text) {
  if (text != "none") parse_format(text);
}

void check_condition(std::string_view, const std::string& text) {
  parse_condition(text);
}

void check_size(std::string_view name, const std::string& text) {
  if (parse_bytes(text).value_or(0) == 0)
    throw Error("{}: found '{}', wanted a size such as \"500M\", \"2G\" or \"1GiB\"", name, excerpt(text));
}

void check_time(std::string_view name, const std::string& text) {
  if (parse_seconds(text).value_or(0) == 0)
    throw Error("{}: found '{}', wanted a time such as \"90 s\", \"5 min\" or \"2h\"", name, excerpt(text));
}

void check_not_empty(std::string_view name, const std::string& text) {
  if (trim(text).empty()) throw Error("{}: found nothing in the quotes, wanted a text", name);
}

std::vector<std::string> flash_attention_words() {
  return {"on", "off", "auto"};
}

std::vector<std::string> cache_words() {
  std::vector<std::string> words;
  for (TensorType type : cache_types()) words.push_back(lower(name_of(type)));
  return words;
}

std::vector<std::string> store_words() {
  return {"keep", "auto", "f32", "f16", "bf16", "narrow"};
}

std::vector<std::string> missing_layers_words() {
  return {"error", "skip"};
}

std::vector<std::string> report_words() {
  return {"html", "md", "csv", "json"};
}

constexpr double kMostCount = 1 << 30;
constexpr double kMostTokens = 1 << 24;
constexpr double kMostSeed = 9'007'199'254'740'992;  // 2^53: whole numbers that every reader of JSON keeps

using enum KeyKind;
using enum KeyList;

const ConfigKey kKeys[] = {
    {.table = "",
     .name = "title",
     .summary = "One line: the heading of the report.",
     .check = check_not_empty},
    {.table = "", .name = "description", .summary = "What is asked and why. The report opens with it."},
    {.table = "",
     .name = "model",
     .summary = "A GGUF file, any part of a split one, or `demo`. Paths are relative to the experiment file.",
     .check = check_not_empty},
    {.table = "",
     .name = "models",
     .list = always,
     .summary = "Several models, each measured by itself; in place of `model`.",
     .check = check_not_empty},
    {.table = "",
     .name = "baseline",
     .summary = "A model that all are compared with: every model is then a variant as it is. Without it, the "
                "variants of a model are "
                "compared with that model, unchanged.",
     .check = check_not_empty},
    {.table = "", .name = "text", .kind = tables, .summary = "Texts to measure on."},
    {.table = "", .name = "settings", .kind = table, .summary = "How models are run."},
    {.table = "", .name = "measure", .kind = table, .summary = "What is measured."},
    {.table = "", .name = "prompt", .kind = tables, .summary = "Prompts, in place of a file of them."},
    {.table = "", .name = "stage", .kind = tables, .summary = "Stages with their variants."},
    {.table = "",
     .name = "variant",
     .kind = tables,
     .summary = "Variants of an experiment of one stage, in place of `stage`."},
    {.table = "", .name = "criterion", .kind = tables, .summary = "What results must be."},
    {.table = "", .name = "limits", .kind = table, .summary = "Most time and memory."},
    {.table = "", .name = "output", .kind = table, .summary = "Files and reports."},

    {.table = "text",
     .name = "file",
     .example = "\"text.txt\", or \"demo\"",
     .summary = "A file of plain text, or `demo`.",
     .check = check_not_empty},
    {.table = "text",
     .name = "chunks",
     .kind = whole,
     .least = 1,
     .most = kMostCount,
     .fallback = "all",
     .summary = "Only the first chunks of the text."},

    {.table = "settings",
     .name = "context",
     .kind = whole,
     .least = 4,
     .most = kMostTokens,
     .fallback = "the smaller of 512 and the model's training context",
     .summary = "Tokens of a chunk."},
    {.table = "settings",
     .name = "batch",
     .kind = whole,
     .least = 1,
     .most = kMostTokens,
     .fallback = "2048",
     .summary = "Tokens that are decoded together. Changes last digits."},
    {.table = "settings",
     .name = "threads",
     .kind = whole,
     .least = 1,
     .most = 4096,
     .fallback = "as the command line says",
     .summary = "Threads. Changes times, no digits."},
    {.table = "settings",
     .name = "gpu_layers",
     .kind = whole,
     .least = 0,
     .most = 1 << 20,
     .fallback = "all",
     .summary = "Layers on the graphics processor, where llama.cpp was built for one."},
    {.table = "settings",
     .name = "flash_attention",
     .fallback = "auto",
     .summary = "Flash attention. Changes last digits.",
     .choices = flash_attention_words},
    {.table = "settings",
     .name = "cache_k",
     .fallback = "f16",
     .summary = "Type of the cache of keys.",
     .choices = cache_words},
    {.table = "settings",
     .name = "cache_v",
     .fallback = "f16",
     .summary = "Type of the cache of values; a quantized one needs flash attention.",
     .choices = cache_words},
    {.table = "settings",
     .name = "seed",
     .kind = whole,
     .most = kMostSeed,
     .fallback = "0",
     .summary = "What stochastic rounding (`:sr`) draws from."},
    {.table = "settings",
     .name = "imatrix",
     .summary = "Importance matrix of llama-imatrix, for ggml types.",
     .check = check_not_empty},
    {.table = "settings",
     .name = "control",
     .fallback = "bf16",
     .summary = "Format that all weights of F32, F16 and BF16 are rounded to, for a row that shows what is "
                "noise; or `none`.",
     .check = check_control},
    {.table = "settings",
     .name = "logits_memory",
     .fallback = "2G",
     .summary = "Most memory for the baseline's logits, such as \"500M\" or \"2G\".",
     .check = check_size},
    {.table = "settings",
     .name = "epsilon",
     .kind = number,
     .least = 1e-300,
     .most = 1e300,
     .fallback = "1e-12",
     .summary = "Relative error is abs(o - q) / (abs(o) + epsilon)."},

    {.table = "measure",
     .name = "inspect",
     .kind = flag,
     .fallback = "true",
     .summary = "The effective precision of every tensor of each model."},
    {.table = "measure",
     .name = "difference",
     .kind = flag,
     .fallback = "true",
     .summary = "The difference of each rounded tensor, and of the file that `quantize` would write."},
    {.table = "measure",
     .name = "load",
     .kind = flag,
     .fallback = "true",
     .summary = "Whether llama.cpp loads that file and makes tokens with it. Nothing is written."},
    {.table = "measure",
     .name = "divergence",
     .kind = flag,
     .fallback = "true, where there is a text",
     .summary = "Perplexity of the baseline, and of each variant perplexity and KL divergence from it, on "
                "every text."},
    {.table = "measure",
     .name = "per_chunk",
     .kind = flag,
     .fallback = "false",
     .summary = "Keep each chunk's measures too: `report --compare` then compares runs chunk by chunk."},
    {.table = "measure",
     .name = "prompts",
     .fallback = "none",
     .summary = "Texts that the baseline and each variant make: a file of `[[prompt]]` tables, or `default`, "
                "the built-in set.",
     .check = check_not_empty},
    {.table = "measure",
     .name = "chat",
     .kind = flag,
     .fallback = "false",
     .summary = "Put prompts in the model's own chat template."},
    {.table = "measure",
     .name = "speed",
     .kind = flag,
     .fallback = "false",
     .summary = "Times of loading, of reading a prompt and of making tokens, against the baseline."},
    {.table = "measure",
     .name = "speed_repetitions",
     .kind = whole,
     .least = kLeastRepetitions,
     .most = 100'000,
     .fallback = "10",
     .summary = "How often each time is taken."},

    {.table = "prompt",
     .name = "prompt",
     .list = maybe,
     .example = "\"Hello\"",
     .summary = "What the models continue."},
    {.table = "prompt",
     .name = "temperature",
     .kind = number,
     .list = maybe,
     .most = kMaxTemperature,
     .fallback = "[0, 0.1, 0.7, 0.8]",
     .summary = "At 0 the most likely token is taken and no seed matters."},
    {.table = "prompt",
     .name = "seed",
     .kind = whole,
     .list = maybe,
     .most = kMaxSeed,
     .fallback = "[42, 123]",
     .summary = "What sampling draws from."},
    {.table = "prompt",
     .name = "tokens",
     .kind = whole,
     .list = maybe,
     .least = 1,
     .most = kMaxPromptTokens,
     .fallback = "64",
     .summary = "Most tokens of a text."},

    {.table = "stage",
     .name = "name",
     .example = "\"test 1\"",
     .summary = "Unique.",
     .check = check_not_empty},
    {.table = "stage",
     .name = "requires",
     .list = maybe,
     .summary = "Conditions on the variants of all earlier stages, such as \"ln_ppl_ratio < 0.05\". Unless "
                "all hold for all of them, the "
                "stage is left out. The control is no such variant.",
     .check = check_condition},
    {.table = "stage", .name = "variant", .kind = tables, .summary = "The stage's variants; at least one."},

    {.table = "variant",
     .name = "name",
     .fallback = "made from what varies",
     .summary = "Unique. `{tensors}`, `{layers}`, `{format}`, `{store}`, `{cache_k}`, `{cache_v}`, "
                "`{recipe}` and `{model}` in it stand for "
                "the variant's own; without them, what varies is put behind the name.",
     .check = check_not_empty},
    {.table = "variant",
     .name = "tensors",
     .list = maybe,
     .fallback = "all of `layers`",
     .summary = "Tensors by role, name, glob or /regex/, as `--tensors`.",
     .check = check_tensors},
    {.table = "variant",
     .name = "layers",
     .list = maybe,
     .fallback = "all of `tensors`",
     .summary = "Layers: \"0\", \"0-2\", \"0-2,5,10-\" or \"all\", as `--layers`.",
     .check = check_layers},
    {.table = "variant",
     .name = "format",
     .list = maybe,
     .summary = "The format they are rounded to: see `fakequant formats`.",
     .check = check_format},
    {.table = "variant",
     .name = "store",
     .list = maybe,
     .fallback = "keep",
     .summary = "What the file stores, as `--store`.",
     .choices = store_words},
    {.table = "variant",
     .name = "skip_unfit",
     .kind = flag,
     .fallback = "false",
     .summary =
         "Leave tensors that the format does not fit, and say which, instead of refusing the experiment."},
    {.table = "variant",
     .name = "missing_layers",
     .fallback = "error",
     .summary = "What becomes of a variant that names layers which a model does not have: the experiment is "
                "refused, or the variant left "
                "out on that model.",
     .choices = missing_layers_words},
    {.table = "variant",
     .name = "recipe",
     .list = maybe,
     .summary = "A recipe file, in place of `tensors`, `layers` and `format`.",
     .check = check_not_empty},
    {.table = "variant",
     .name = "rule",
     .kind = tables,
     .summary = "A recipe within the experiment file, in place of a file."},
    {.table = "variant",
     .name = "cache_k",
     .list = maybe,
     .fallback = "as in `[settings]`",
     .summary = "Type of the cache of keys.",
     .choices = cache_words},
    {.table = "variant",
     .name = "cache_v",
     .list = maybe,
     .fallback = "as in `[settings]`",
     .summary = "Type of the cache of values.",
     .choices = cache_words},
    {.table = "variant",
     .name = "model",
     .list = maybe,
     .summary = "Another GGUF file, as it is, in place of rounding.",
     .check = check_not_empty},

    {.table = "rule",
     .name = "tensors",
     .fallback = "all of `layers`",
     .summary = "As of a variant.",
     .check = check_tensors},
    {.table = "rule",
     .name = "layers",
     .fallback = "all of `tensors`",
     .summary = "As of a variant.",
     .check = check_layers},
    {.table = "rule",
     .name = "format",
     .example = "\"bf16\"",
     .summary = "`f32` leaves its tensors.",
     .check = check_format},
    {.table = "rule",
     .name = "store",
     .fallback = "as of the variant",
     .summary = "As of a variant.",
     .choices = store_words},

    {.table = "criterion",
     .name = "name",
     .example = "\"mean relative difference below 1 %\"",
     .summary = "What it says, in words; unique.",
     .check = check_not_empty},
    {.table = "criterion",
     .name = "check",
     .summary = "A metric, one of < <= > >= == != and a number: \"mean_rel < 0.01\" or \"mean_rel < 1 %\". "
                "It passes when it holds for every "
                "variant but the control.",
     .check = check_condition},
    {.table = "criterion",
     .name = "judge",
     .kind = flag,
     .fallback = "false",
     .summary = "A person decides: in place of `check`."},
    {.table = "criterion",
     .name = "stages",
     .list = maybe,
     .fallback = "all",
     .summary = "Names of the stages that it is for."},
    {.table = "criterion",
     .name = "stop",
     .kind = flag,
     .fallback = "false",
     .summary = "Where it fails, the experiment ends: what is left is not measured."},

    {.table = "limits",
     .name = "measurement",
     .summary = "Most time of one measurement, such as \"90 s\", \"5 min\" or \"2h\": one that takes longer "
                "is ended and counts as failed.",
     .check = check_time},
    {.table = "limits",
     .name = "time",
     .summary = "Most time of one run, as above: then it ends cleanly.",
     .check = check_time},
    {.table = "limits",
     .name = "memory",
     .summary = "Most memory, such as \"500M\" or \"2G\": what would take more fails.",
     .check = check_size},

    {.table = "output",
     .name = "files",
     .kind = flag,
     .fallback = "false",
     .summary = "Also write the GGUF file of each variant that rounds weights."},
    {.table = "output",
     .name = "report",
     .list = maybe,
     .fallback = "none",
     .summary = "Reports that are written when the run ends.",
     .choices = report_words},
};

}  // namespace

std::span<const ConfigKey> config_keys() {
  return kKeys;
}

}  // namespace fakequant
