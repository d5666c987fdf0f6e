#pragma once
// The options that choose tensors, shared by the commands that take them.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "select/pattern.h"

namespace fakequant::cli {

struct SelectionOptions {
  std::string tensors;
  std::string layers;

  bool given() const { return !tensors.empty() || !layers.empty(); }
  std::string text() const;  // for people: "ffn, layers 0-2"; "" for none
};

void add_selection_options(CLI::App& app, SelectionOptions& options);

// The indices of the selected tensors; all of them when nothing was given.
std::vector<size_t> selected(const Model& model, const SelectionOptions& options);

std::optional<TensorSelection> tensor_selection(const SelectionOptions& options);
std::optional<LayerSelection> layer_selection(const SelectionOptions& options);

// The role words, for help texts.
std::string role_help();

}  // namespace fakequant::cli
