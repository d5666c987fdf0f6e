#include "experiment/file_measures.h"
#include "experiment/tensor_place.h"
#include "tensors/inspect_json.h"

namespace fakequant {

Json measure_inspect(MeasureContext& context) {
  const Model& model = context.model().model;
  std::vector<TensorReport> reports;
  uint64_t done = 0;
  for (size_t i = 0; i < model.tensors().size(); ++i) {
    std::vector<TensorReport> one =
        inspect(model, std::span(&i, 1), {.grids = false, .progress = Progress::Mode::silent});
    reports.push_back(std::move(one.front()));
    done += model.tensors()[i].info->data_bytes;
    context.progress({static_cast<double>(done) / static_cast<double>(model.total_bytes()), "", false});
  }
  Json result = inspection_json(model, reports);
  for (Json& tensor : result["tensors"]) add_place(tensor);
  return result;
}

}  // namespace fakequant
