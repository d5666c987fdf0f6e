#include "evaluate/corpus.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

std::string read_text(const std::string& path) {
  std::error_code error;
  std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) throw Error("{}: found no such file, wanted a text", printable(path));
  if (std::filesystem::is_directory(status))
    throw Error("{}: found a folder, wanted a file with text", printable(path));
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file) text.assign(std::istreambuf_iterator<char>(file), {});
  if (!file || file.bad())
    throw Error("{}: cannot be read: {}", printable(path), errno != 0 ? std::strerror(errno) : "unknown");
  if (text.ends_with('\n')) text.pop_back();
  if (text.empty()) throw Error("{}: found an empty file, wanted a text", printable(path));
  return text;
}

int default_context(int training_context) {
  constexpr int kContext = 512;
  return training_context > 0 ? std::min(kContext, training_context) : kContext;
}

size_t chunk_count(size_t token_count, int context, std::optional<size_t> most, const std::string& place,
                   const char* context_name) {
  auto length = static_cast<size_t>(context);
  if (token_count < 2 * length) {
    throw Error("{}: found {}, wanted at least {} (two chunks of {} {}); give a longer text or a smaller {}",
                printable(place), counted(token_count, "token"), format_count(2 * length), context_name,
                context, context_name);
  }
  return std::min(token_count / length, most.value_or(token_count));
}

}  // namespace fakequant
