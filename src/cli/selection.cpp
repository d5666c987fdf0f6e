#include "cli/selection.h"

#include <fmt/format.h>

#include <numeric>

#include "base/text.h"

namespace fakequant::cli {

std::string SelectionOptions::text() const {
  std::vector<std::string> parts;
  if (!tensors.empty()) parts.push_back(printable(tensors));
  if (!layers.empty()) parts.push_back("layers " + printable(layers));
  return join(parts, ", ");
}

void add_selection_options(CLI::App& app, SelectionOptions& options) {
  app.add_option("--tensors", options.tensors,
                 "Tensors by role (ffn_norm, norm, ffn, attn, embedding, output, experts, matrices, all, "
                 "...), name, glob or /regex/, "
                 "separated by commas; !x leaves x out")
      ->type_name("LIST");
  app.add_option("--layers", options.layers,
                 "Layers: 0, 0-2, 0-2,5,10- or all; chooses tensors named blk.N.*")
      ->type_name("LIST");
}

std::optional<TensorSelection> tensor_selection(const SelectionOptions& options) {
  if (options.tensors.empty()) return std::nullopt;
  return TensorSelection::parse(options.tensors);
}

std::optional<LayerSelection> layer_selection(const SelectionOptions& options) {
  if (options.layers.empty()) return std::nullopt;
  return LayerSelection::parse(options.layers);
}

std::vector<size_t> selected(const Model& model, const SelectionOptions& options) {
  if (!options.given()) {  // of a model without tensors, too: a vocabulary is one
    std::vector<size_t> all(model.tensors().size());
    std::iota(all.begin(), all.end(), size_t{0});
    return all;
  }
  return select_tensors(model.tensors(), tensor_selection(options), layer_selection(options));
}

std::string role_help() {
  std::string text = "Roles for --tensors:\n";
  for (const RoleGroup& group : role_groups())
    text += fmt::format("  {:<10} {}\n", group.word, group.summary);
  return text + "  and every specific role of the model: ffn_norm, attn_q, ffn_down_exps, ...\n";
}

}  // namespace fakequant::cli
