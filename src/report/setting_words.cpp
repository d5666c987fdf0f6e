#include "report/setting_words.h"

#include <utility>
#include <vector>

#include "base/text.h"
#include "report/fields.h"

namespace fakequant::report {
namespace {

constexpr std::pair<std::string_view, const char*> kDefaults[] = {
    {"context", "default: 512, or the model's training context where that is smaller"},
    {"batch", "default: 2048"},
    {"threads", "default: as the run was started"},
    {"gpu_layers", "default: all"}};

}  // namespace

std::string setting_text(std::string_view name, const Json& value) {
  if (name == "chunks_of_texts" && value.is_array()) {
    std::vector<std::string> parts;
    for (const Json& chunks : value) parts.push_back(chunks.is_null() ? "all" : plain_text(chunks));
    return join(parts, ", ");
  }
  if (value.is_null()) {
    for (const auto& [known, text] : kDefaults) {
      if (known == name) return text;
    }
  }
  return plain_text(value);
}

}  // namespace fakequant::report
