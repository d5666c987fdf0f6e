#include "experiment/tensor_place.h"

#include "select/roles.h"

namespace fakequant {

void add_place(Json& tensor) {
  std::string name = tensor.at("name").get<std::string>();
  std::optional<int> layer = layer_of(name);
  tensor["layer"] = layer ? Json(*layer) : Json();
  tensor["role"] = role_of(name);
}

}  // namespace fakequant
