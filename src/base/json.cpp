#include "base/json.h"

#include <cmath>

namespace fakequant {

Json json_number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

Json json_number(const std::optional<double>& value) {
  return value ? json_number(*value) : Json(nullptr);
}

}  // namespace fakequant
