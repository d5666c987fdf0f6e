#include "record/content_key.h"

#include <fcntl.h>
#include <xxhash.h>

#include <memory>

#include "base/error.h"
#include "base/file_state.h"
#include "base/text.h"
#include "record/regular_file.h"

namespace fakequant {

namespace {

struct FreeState {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

std::string hexadecimal(XXH128_hash_t hash) {
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace

std::string bytes_key(std::string_view bytes) {
  return hexadecimal(XXH3_128bits(bytes.data(), bytes.size()));
}

std::string content_key(const Json& value) {
  nlohmann::json sorted = value;  // its objects are ordered by key
  std::string text;
  try {
    text = sorted.dump();
  } catch (const nlohmann::json::type_error&) {
    std::string shown = sorted.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    throw Error("no key can be made of {}: a text in it is not UTF-8", excerpt(shown));
  }
  return bytes_key(text);
}

std::string file_key(const std::string& path, const std::function<void(size_t bytes)>& progress) {
  FileState state(path);
  RegularFile file(path, O_RDONLY);
  std::unique_ptr<XXH3_state_t, FreeState> hash(XXH3_createState());
  FQ_CHECK(hash != nullptr && XXH3_128bits_reset(hash.get()) == XXH_OK);
  file.read([&](std::string_view block) {
    FQ_CHECK(XXH3_128bits_update(hash.get(), block.data(), block.size()) == XXH_OK);
    if (progress) progress(block.size());
    return true;
  });
  if (!state.is_current()) throw Error("{}: changed while it was read", printable(path));
  return hexadecimal(XXH3_128bits_digest(hash.get()));
}

std::string files_key(const std::vector<std::string>& paths,
                      const std::function<void(size_t bytes)>& progress) {
  FQ_CHECK(!paths.empty());
  if (paths.size() == 1) return file_key(paths.front(), progress);
  Json keys = Json::array();
  for (const std::string& path : paths) keys.push_back(file_key(path, progress));
  return content_key(keys);
}

}  // namespace fakequant
