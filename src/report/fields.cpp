#include "report/fields.h"

#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace fakequant::report {
namespace {

// What a value is, for a message that wanted something else.
std::string found(const Json& value) {
  if (value.is_null()) return "nothing";
  if (value.is_string()) return "the text \"" + excerpt(value.get_ref<const std::string&>()) + "\"";
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  return plain_text(value);
}

const Json kNull;

}  // namespace

std::string plain_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "none";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_unsigned()) return fmt::format("{}", value.get<uint64_t>());
  if (value.is_number_integer()) return fmt::format("{}", value.get<int64_t>());
  if (value.is_number()) return fmt::format("{}", value.get<double>());
  if (!value.is_array()) return "an object";
  std::vector<std::string> parts;
  for (const Json& element : value) parts.push_back(element.is_array() ? "a list" : plain_text(element));
  return join(parts, ", ");
}

Fields::Fields(const Json& object, std::string place, std::string way)
    : object_(&object), place_(std::move(place)), way_(std::move(way)) {
  if (!object.is_object()) {
    std::string where = way_.empty() ? "the record" : printable(way_);
    throw Error("{}: {}: found {}, wanted an object", printable(place_), where, found(object));
  }
}

std::string Fields::way_to(std::string_view key) const {
  return way_.empty() ? std::string(key) : way_ + "." + std::string(key);
}

const Json& Fields::raw(std::string_view key) const {
  auto entry = object_->find(std::string(key));
  return entry == object_->end() ? kNull : *entry;
}

bool Fields::has(std::string_view key) const {
  return !raw(key).is_null();
}

void Fields::fail(std::string_view key, std::string_view wanted) const {
  throw Error("{}: {}: found {}, wanted {}", printable(place_), printable(way_to(key)), found(raw(key)),
              wanted);
}

std::string Fields::text(std::string_view key) const {
  const Json& value = raw(key);
  if (!value.is_string()) fail(key, "text");
  return value.get<std::string>();
}

double Fields::number(std::string_view key) const {
  const Json& value = raw(key);
  if (!value.is_number() || !std::isfinite(value.get<double>())) fail(key, "a number");
  return value.get<double>();
}

uint64_t Fields::count(std::string_view key) const {
  const Json& value = raw(key);
  if (!value.is_number_unsigned()) fail(key, "a whole number");
  return value.get<uint64_t>();
}

bool Fields::flag(std::string_view key) const {
  const Json& value = raw(key);
  if (!value.is_boolean()) fail(key, "true or false");
  return value.get<bool>();
}

Fields Fields::object(std::string_view key) const {
  const Json& value = raw(key);
  if (!value.is_object()) fail(key, "an object");
  return Fields(value, place_, way_to(key));
}

std::vector<Fields> Fields::objects(std::string_view key) const {
  const Json& value = raw(key);
  if (!value.is_array()) fail(key, "a list");
  std::vector<Fields> result;
  result.reserve(value.size());
  for (const Json& element : value) {
    result.emplace_back(element, place_, fmt::format("{}[{}]", way_to(key), result.size()));
  }
  return result;
}

std::vector<std::string> Fields::texts(std::string_view key) const {
  const Json& value = raw(key);
  if (!value.is_array()) fail(key, "a list of texts");
  std::vector<std::string> result;
  for (const Json& element : value) {
    if (!element.is_string()) fail(key, "a list of texts");
    result.push_back(element.get<std::string>());
  }
  return result;
}

std::string Fields::text_or_empty(std::string_view key) const {
  return has(key) ? text(key) : "";
}

std::optional<double> Fields::optional_number(std::string_view key) const {
  return has(key) ? std::optional(number(key)) : std::nullopt;
}

std::optional<uint64_t> Fields::optional_count(std::string_view key) const {
  return has(key) ? std::optional(count(key)) : std::nullopt;
}

bool Fields::flag_or_false(std::string_view key) const {
  return has(key) && flag(key);
}

std::optional<Fields> Fields::optional_object(std::string_view key) const {
  return has(key) ? std::optional(object(key)) : std::nullopt;
}

std::vector<Fields> Fields::objects_or_none(std::string_view key) const {
  return has(key) ? objects(key) : std::vector<Fields>();
}

std::vector<std::string> Fields::texts_or_none(std::string_view key) const {
  return has(key) ? texts(key) : std::vector<std::string>();
}

}  // namespace fakequant::report
