#include "experiment/run_place.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/text.h"
#include "gguf/pending_file.h"
#include "record/journal.h"

namespace fakequant {

namespace fs = std::filesystem;

std::string default_run_folder(const std::string& experiment_path) {
  fs::path name = fs::path(experiment_path).filename();
  if (name.extension() == ".toml") name = name.stem();
  return name.string() + ".run";
}

void open_run_folder(const std::string& folder) {
  std::error_code problem;
  fs::create_directories(folder, problem);
  if (!fs::is_directory(folder))
    throw Error("{}: cannot be made as a folder: {}", printable(folder),
                problem ? problem.message() : "there is something else of that name");
  if (fs::exists(fs::path(folder) / kJournalFile)) return;
  fs::directory_iterator entries(folder, problem);
  if (problem) throw Error("{}: cannot be read: {}", printable(folder), problem.message());
  for (const fs::directory_entry& entry : entries) {
    std::string name = entry.path().filename().string();
    bool is_ours =
        name == kLogFile || name == kExperimentFile || name.starts_with(std::string(".") + kExperimentFile);
    if (is_ours) continue;
    throw Error("{}: found '{}' and no {}, wanted the folder of a run, or an empty one", printable(folder),
                printable(name), kJournalFile);
  }
}

void keep_experiment_file(const std::string& folder, const std::string& text) {
  std::string path = (fs::path(folder) / kExperimentFile).string();
  std::ifstream present(path, std::ios::binary);
  std::ostringstream content;
  if (present) content << present.rdbuf();
  if (present && content.str() == text) return;
  PendingFile file(path, text.size());
  file.write(0, std::as_bytes(std::span(text)));
  file.sync();
  file.publish(true);
}

}  // namespace fakequant
