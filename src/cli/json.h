#pragma once
// The version of the JSON that commands print. What is in it comes from the folders that know it.

#include "base/json.h"

namespace fakequant::cli {

inline constexpr int kSchemaVersion = 1;

// {"schema_version": ..., and the keys of `result`}.
Json versioned(const Json& result);

}  // namespace fakequant::cli
