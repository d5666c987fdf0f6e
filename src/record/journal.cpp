#include "record/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "record/file_lock.h"
#include "record/json_line.h"

namespace fakequant {

namespace {

std::string header_line(const JournalKind& kind) {
  return fmt::format("{{\"{}\": {}}}\n", kind.header, kind.version);
}

std::string trimmed_header(const JournalKind& kind) {
  std::string line = header_line(kind);
  line.pop_back();
  return line;
}

std::string place_of(const std::string& path, size_t line) {
  return fmt::format("{}:{}", printable(path), line);
}

void check_header(std::string_view line, const JournalKind& kind, const std::string& place) {
  std::string wanted = trimmed_header(kind);
  Json header;
  try {
    header = parse_json_line(line, place);
  } catch (const Error&) {
    throw Error("{}: found '{}', wanted {}", place, excerpt(line), wanted);
  }
  bool is_header =
      header.size() == 1 && header.begin().key() == kind.header && header.begin()->is_number_integer();
  if (!is_header) throw Error("{}: found '{}', wanted {}", place, excerpt(line), wanted);
  if (*header.begin() == kind.version) return;
  throw Error(
      "{}: found version {} of {}, wanted {}, the only one that this program knows; it is left as it is",
      place, header.begin()->dump(), kind.header, kind.version);
}

// What is in a file.
struct Contents {
  std::vector<Record> records;
  size_t line_count = 0;  // whole lines, the first one too
  uint64_t size = 0;      // their bytes
  std::string rest;       // what follows them: a line that was cut short
};

class ContentsReader {
 public:
  ContentsReader(const std::string& path, const JournalKind& kind) : path_(path), kind_(kind) {}

  void see(std::string_view block) {
    for (size_t end = block.find('\n'); end != std::string_view::npos; end = block.find('\n')) {
      contents_.rest += block.substr(0, end);
      see_line(contents_.rest);
      contents_.size += contents_.rest.size() + 1;
      contents_.rest.clear();
      block.remove_prefix(end + 1);
    }
    contents_.rest += block;
    if (contents_.rest.size() > kMostLineBytes) {
      throw Error("{}: found a line of more than {} bytes, wanted a shorter one",
                  place_of(path_, contents_.line_count + 1), format_count(kMostLineBytes));
    }
  }

  Contents finish() {
    // Someone's file of one line without an end is not ours to repair.
    bool has_header = contents_.line_count > 0;
    if (!has_header && !header_line(kind_).starts_with(contents_.rest)) {
      check_header(contents_.rest, kind_, place_of(path_, 1));
    }
    return std::move(contents_);
  }

 private:
  void see_line(std::string_view line) {
    size_t number = ++contents_.line_count;
    std::string place = place_of(path_, number);
    if (number == 1) {
      check_header(line, kind_, place);
    } else {
      contents_.records.push_back({number, parse_json_line(line, place)});
    }
  }

  const std::string& path_;
  const JournalKind& kind_;
  Contents contents_;
};

Contents read_contents(RegularFile& file, const JournalKind& kind) {
  ContentsReader reader(file.path(), kind);
  file.read([&](std::string_view block) {
    reader.see(block);
    return true;
  });
  return reader.finish();
}

bool means_disk_full(int error_number) {
  return error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG;
}

// A file that was made is there after a power failure only when its folder is on disk as well.
void sync_folder_of(const std::string& path) {
  std::filesystem::path folder = std::filesystem::path(path).parent_path() / ".";
  int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // Some file systems cannot sync folders, and some folders may be written but not read: the file itself is on disk.
  if (descriptor < 0) return;
  fsync(descriptor);
  close(descriptor);
}

}  // namespace

std::vector<Record> read_journal(const std::string& path, const JournalKind& kind) {
  RegularFile file(path, O_RDONLY);
  return read_contents(file, kind).records;
}

Journal::Journal(const std::string& path, const JournalKind& kind, OnDiskFull on_disk_full)
    : file_(path, O_RDWR | O_CREAT | O_APPEND), on_disk_full_(std::move(on_disk_full)) {
  lock_file(file_);
  Contents contents = read_contents(file_, kind);
  size_ = contents.size;
  line_count_ = contents.line_count;
  records_ = std::move(contents.records);
  if (!contents.rest.empty()) {
    if (ftruncate(file_.descriptor(), static_cast<off_t>(size_)) != 0) {
      throw Error("{}: its last line was cut short and cannot be removed: {}", printable(path),
                  std::strerror(errno));
    }
    repaired_ = true;
  }
  if (line_count_ > 0) return;
  write_line(header_line(kind));
  sync_folder_of(path);
}

const Record& Journal::append(const Json& fields) {
  std::string line = json_line(fields);
  Json as_read = parse_json_line(trim(line), place_of(path(), line_count_ + 1));
  write_line(line);
  records_.push_back({line_count_, std::move(as_read)});
  return records_.back();
}

void Journal::write_line(const std::string& line) {
  require_untouched();
  for (;;) {
    int error_number = try_to_write(line);
    if (error_number == 0) break;
    if (ftruncate(file_.descriptor(), static_cast<off_t>(size_)) != 0) {
      throw Error("{}: line {} was cut short and cannot be removed: {}", printable(path()), line_count_ + 1,
                  std::strerror(errno));
    }
    std::string reason = std::strerror(error_number);
    if (!means_disk_full(error_number)) throw Error("{}: cannot be written: {}", printable(path()), reason);
    std::string problem = fmt::format("{}: cannot be written, the disk is full ({}); the next line needs {}",
                                      printable(path()), reason, format_bytes(line.size()));
    if (!on_disk_full_ || !on_disk_full_(problem)) throw Error("{}", problem);
    require_untouched();
  }
  size_ += line.size();
  ++line_count_;
}

// Writing on where another program has written, or into a file that has no name any more, would lose what is appended.
void Journal::require_untouched() const {
  struct stat status;
  if (fstat(file_.descriptor(), &status) != 0)
    throw Error("{}: cannot be written: {}", printable(path()), std::strerror(errno));
  if (status.st_nlink == 0) throw Error("{}: was removed while it was written", printable(path()));
  if (std::cmp_equal(status.st_size, size_)) return;
  throw Error("{}: found {} bytes, wanted {}: another program changed it while it was written",
              printable(path()), status.st_size, size_);
}

// Returns 0, or the error's number.
int Journal::try_to_write(std::string_view line) const {
  while (!line.empty()) {
    ssize_t count = write(file_.descriptor(), line.data(), line.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    line.remove_prefix(static_cast<size_t>(count));
  }
  return fdatasync(file_.descriptor()) == 0 ? 0 : errno;
}

}  // namespace fakequant
