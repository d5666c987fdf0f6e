#include "record/run_files.h"

#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "record/journal.h"

namespace fakequant {
namespace {

namespace fs = std::filesystem;

// Of a FIFO or a device nothing is read: that could wait for ever.
bool begins_as_record_file(const fs::path& path) {
  constexpr std::string_view kBegins[] = {R"({"fakequant_journal")", R"({"fakequant_log")"};
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return false;
  std::string begin(32, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  begin.resize(static_cast<size_t>(file.gcount()));
  for (std::string_view known : kBegins) {
    if (begin.starts_with(known)) return true;
  }
  return false;
}

}  // namespace

bool is_run_folder(const std::string& path) {
  return begins_as_record_file(fs::path(path.empty() ? "." : path) / kJournalFile);
}

bool is_run_file(const std::string& path) {
  if (begins_as_record_file(path)) return true;
  std::error_code error;
  fs::path place = fs::weakly_canonical(path, error);
  if (error) place = path;
  std::string name = place.filename().string();
  bool is_named_so = name == kJournalFile || name == kLogFile || name == kExperimentFile;
  return is_named_so && is_run_folder(place.parent_path().string());
}

void refuse_run_file(const std::string& path, const std::string& thing) {
  if (!is_run_file(path)) return;
  throw Error("{}: is part of a run, which nothing replaces, wanted another name for the output", thing);
}

}  // namespace fakequant
