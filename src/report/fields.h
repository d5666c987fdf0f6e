#pragma once
// The fields of a JSON object from a file that anybody may have written, read by type: what is missing or of another type is an Error
// with its place. Knows no records.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace fakequant::report {

// A view: `object` must live as long. Every reader throws Error, "PLACE: KEY: found WHAT, wanted WHAT", KEY being the whole way from the
// record: result.divergence.kld_mean. Readers called optional_ take null and a missing key alike for nothing.
class Fields {
 public:
  // Throws Error when `object` is none. `place` is a file and line.
  Fields(const Json& object, std::string place, std::string way = "");

  bool has(std::string_view key) const;  // there, and not null

  std::string text(std::string_view key) const;
  double number(std::string_view key) const;  // finite
  uint64_t count(std::string_view key) const;
  bool flag(std::string_view key) const;
  Fields object(std::string_view key) const;
  std::vector<Fields> objects(std::string_view key) const;  // a list of objects
  std::vector<std::string> texts(std::string_view key) const;

  std::string text_or_empty(std::string_view key) const;
  std::optional<double> optional_number(std::string_view key) const;
  std::optional<uint64_t> optional_count(std::string_view key) const;
  bool flag_or_false(std::string_view key) const;
  std::optional<Fields> optional_object(std::string_view key) const;
  std::vector<Fields> objects_or_none(std::string_view key) const;
  std::vector<std::string> texts_or_none(std::string_view key) const;

  // What is under a key, whatever it is; null where nothing is.
  const Json& raw(std::string_view key) const;
  const Json& json() const { return *object_; }
  const std::string& place() const { return place_; }

  [[noreturn]] void fail(std::string_view key, std::string_view wanted) const;

 private:
  std::string way_to(std::string_view key) const;

  const Json* object_;
  std::string place_;
  std::string way_;
};

// A value in a few words, for messages and for settings: a string as it is, a list as "a, b", an object as "an object".
std::string plain_text(const Json& value);

}  // namespace fakequant::report
