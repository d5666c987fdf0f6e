#include "cli/json.h"

namespace fakequant::cli {

Json versioned(const Json& result) {
  Json json{{"schema_version", kSchemaVersion}};
  json.update(result);
  return json;
}

}  // namespace fakequant::cli
