#pragma once
// How settings of an experiment record are shown: what was used, also where nothing was said.

#include <string>
#include <string_view>

#include "base/json.h"

namespace fakequant::report {

// The value as plain_text, but where null means a default of fakequant (docs/journal.md): then "default: " and which that is.
std::string setting_text(std::string_view name, const Json& value);

}  // namespace fakequant::report
