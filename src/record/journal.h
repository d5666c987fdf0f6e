#pragma once
// The append-only files of a run: journal and log. One JSON object a line, on disk before the call returns; what is there
// is never changed. Knows lines and their version, not what records mean. docs/journal.md describes both files.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "record/regular_file.h"

namespace fakequant {

struct Record {
  size_t line;  // in its file, counted from 1
  Json fields;  // an object
};

// What the first line of a file names itself.
struct JournalKind {
  const char* header;  // "fakequant_journal"
  int version;
};
inline constexpr JournalKind kRunJournal{"fakequant_journal", 1};
inline constexpr JournalKind kRunLog{"fakequant_log", 1};

inline constexpr const char* kJournalFile = "journal.jsonl";
inline constexpr const char* kLogFile = "log.jsonl";
inline constexpr const char* kExperimentFile = "experiment.toml";

// The records of a file behind its first line. A last line without a line end is passed over: it was cut short. A file that is empty,
// or holds the begin of a first line, has no records.
//
//   throws   Error, "path: ..." for a file that cannot be read; "path:line: ..." for another first line or version, and for a line
//            that parse_json_line refuses. Nothing is changed
std::vector<Record> read_journal(const std::string& path, const JournalKind& kind);

// One such file, open for writing by this process alone. To be used by one thread at a time. SIGXFSZ should be ignored, so that a limit
// on the size of files is a full disk and not a signal.
class Journal {
 public:
  // What to do while the disk is full: called with the sentence that says so; returns whether to try again. It may wait. Where it is
  // empty, nothing is tried again.
  using OnDiskFull = std::function<bool(const std::string& problem)>;

  // Opens the file, makes it where it is not there (its folder must be), and removes a last line that was cut short (and is no record).
  //
  //   throws   Error as read_journal, and then nothing was changed; when it is open as a Journal already, also in this process (the
  //            other process is named by its number where the system tells it); when it cannot be written
  Journal(const std::string& path, const JournalKind& kind, OnDiskFull on_disk_full);

  const std::string& path() const { return file_.path(); }
  // What was there when it was opened and what was appended since, in the order of lines.
  const std::vector<Record>& records() const { return records_; }
  // Whether opening removed a line that was cut short.
  bool was_repaired() const { return repaired_; }

  // Writes `fields` as one line and waits until it is on disk. While the disk is full, what was written of the line is taken back and
  // on_disk_full asked. Returns the record as read_journal will give it; valid until the next append.
  //
  //   throws   Error where on_disk_full gives up, the disk fails, parse_json_line would refuse the line, or the file was removed or
  //            written by another program meanwhile. The file then ends with the record before
  const Record& append(const Json& fields);

 private:
  void write_line(const std::string& line);
  void require_untouched() const;
  int try_to_write(std::string_view line) const;

  RegularFile file_;
  OnDiskFull on_disk_full_;
  uint64_t size_ = 0;  // bytes of whole lines
  size_t line_count_ = 0;
  std::vector<Record> records_;
  bool repaired_ = false;
};

}  // namespace fakequant
