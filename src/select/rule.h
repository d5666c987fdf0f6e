#pragma once
// Rules: which tensors get which format and storage; and recipes, files of rules. Knows no model: what a rule
// matches is plan's.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/block_format.h"
#include "select/pattern.h"

namespace fakequant {

// What the output file stores for a tensor; design.md, "What the file stores".
enum class Store {
  keep,       // the tensor's own type
  automatic,  // the tensor's own type, or the smallest wider one that is exact
  f32,
  f16,
  bf16,
  narrow,  // matrices in the smallest type that is exact
};

// "keep", "auto", "f32", "f16", "bf16" or "narrow", case ignored. Throws UsageError with near names.
Store parse_store(std::string_view text);
std::string_view name_of(Store store);

// The name of the one rule that options on the command line make.
inline constexpr std::string_view kCommandLineRule = "command line";

struct Rule {
  std::string name;  // where it stands: "rule 2 (line 7)"; or kCommandLineRule
  std::optional<TensorSelection> tensors;
  std::optional<LayerSelection> layers;  // neither: every tensor
  Format format;
  std::optional<Store> store;  // nothing: as the command says for all
};

struct Recipe {
  std::string path;
  std::vector<Rule> rules;  // at least one; the first that matches a tensor decides it
};

// Reads a TOML file of [[rule]] tables with the strings tensors, layers, format (required) and store.
//
//   throws   Error, one line "path:line: ..." for each problem of the file: unknown keys, wrong types, bad
//            selections, formats and stores, a rule without format, no rules at all
Recipe load_recipe(const std::string& path);

// The same for text that is already in memory; `path` is for messages.
Recipe parse_recipe(std::string_view text, const std::string& path);

}  // namespace fakequant
