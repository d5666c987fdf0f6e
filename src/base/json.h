#pragma once
// JSON as all of our results have it: keys stay in the order in which they were set. Knows no domain.

#include <nlohmann/json.hpp>
#include <optional>

namespace fakequant {

using Json = nlohmann::ordered_json;

// A number that is not finite, or not there, is null.
Json json_number(double value);
Json json_number(const std::optional<double>& value);

}  // namespace fakequant
