#include "record/json_line.h"

#include <set>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

namespace {

// Looks on while the library parses: it takes a later key for an earlier one of the same name, and reads what is too deep to be written
// or copied, since those recurse.
class Strictness {
 public:
  explicit Strictness(const std::string& place) : place_(place) {}

  bool operator()(int /*depth*/, Json::parse_event_t event, const Json& value) {
    using Event = Json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) open();
    if (event == Event::object_end || event == Event::array_end) keys_.pop_back();
    if (event == Event::key) see_key(value.get_ref<const std::string&>());
    return true;
  }

 private:
  void open() {
    if (keys_.size() == kMostNesting) {
      throw Error("{}: found JSON nested deeper than {} levels, wanted at most that", place_, kMostNesting);
    }
    keys_.emplace_back();
  }

  void see_key(const std::string& key) {
    if (keys_.back().insert(key).second) return;
    throw Error("{}: found the key '{}' twice in one object, wanted it once", place_, excerpt(key));
  }

  const std::string& place_;
  std::vector<std::set<std::string>> keys_;  // of every object that is open; empty for lists
};

void require_length(size_t line_bytes, const std::string& place) {
  if (line_bytes <= kMostLineBytes) return;
  throw Error("{}: found a line of {} bytes, wanted at most {}", place, format_count(line_bytes),
              format_count(kMostLineBytes));
}

}  // namespace

Json parse_json_line(std::string_view line, const std::string& place) {
  require_length(line.size(), place);
  // The library takes a NUL for the end of the text, and passes over a byte order mark.
  if (size_t zero = line.find('\0'); zero != std::string_view::npos) {
    throw Error("{}: found a zero byte at byte {} of the line, wanted JSON", place, zero + 1);
  }
  if (line.empty() || line.front() != '{')
    throw Error("{}: found '{}', wanted a JSON object", place, excerpt(line));
  try {
    Strictness strictness(place);
    return Json::parse(line.begin(), line.end(),
                       [&](int depth, Json::parse_event_t event, const Json& value) {
                         return strictness(depth, event, value);
                       });
  } catch (const Json::parse_error& error) {
    throw Error("{}: found no JSON at byte {} of the line, wanted a JSON object", place, error.byte);
  } catch (const Json::out_of_range&) {
    throw Error("{}: found a number too large for a double, wanted a smaller one", place);
  }
}

std::string json_line(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace fakequant
