#pragma once
// Files that must stay what they were: those whose content the keys of a run were made of. Knows nothing of what is in them.

#include <sys/stat.h>

#include <string>
#include <vector>

namespace fakequant {

class WatchedFiles {
 public:
  WatchedFiles() = default;  // of none
  // Remembers which files stand under these names now, how long they are and when they were written.
  explicit WatchedFiles(const std::vector<std::string>& paths);

  // Throws Error where another file stands under one of the names, or it was written since.
  void check() const;

 private:
  struct Watched {
    std::string path;
    bool is_there;
    struct stat status;
  };
  static Watched look_at(const std::string& path);

  std::vector<Watched> files_;
};

}  // namespace fakequant
