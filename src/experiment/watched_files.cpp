#include "experiment/watched_files.h"

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

WatchedFiles::Watched WatchedFiles::look_at(const std::string& path) {
  Watched file{path, false, {}};
  file.is_there = stat(path.c_str(), &file.status) == 0;
  return file;
}

WatchedFiles::WatchedFiles(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) files_.push_back(look_at(path));
}

void WatchedFiles::check() const {
  for (const Watched& file : files_) {
    Watched now = look_at(file.path);
    const struct stat& a = file.status;
    const struct stat& b = now.status;
    bool is_same = now.is_there == file.is_there && a.st_dev == b.st_dev && a.st_ino == b.st_ino &&
                   a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
                   a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
    if (is_same) continue;
    throw Error(
        "{}: the file changed while the experiment ran, wanted one that stays; what was measured before is "
        "kept",
        printable(file.path));
  }
}

}  // namespace fakequant
