#pragma once
// The append-only files of a run: journal and log. One JSON object a line, on disk before the call returns; what is there
// is never changed. Knows lines and their version, not what records mean. docs/journal.md describes both files.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

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

// The records of a file behind its first line. A last line without a line end is passed over: it was cut short.
//
//   throws   Error, "path:line: ..." for a file that cannot be read, has another first line or version, or a line that is no
//            JSON object. Nothing is changed
std::vector<Record> read_journal(const std::string& path, const JournalKind& kind);

// One such file, open for writing by this process alone.
class Journal {
 public:
  // What to do while the disk is full: called with the sentence that says so; returns whether to try again. It may wait.
  using OnDiskFull = std::function<bool(const std::string& problem)>;

  // Opens the file, makes it where it is not there, and removes a last line that was cut short (and is no record).
  //
  //   throws   Error as read_journal; when another process has it open as a Journal (it is named by its number)
  Journal(std::string path, const JournalKind& kind, OnDiskFull on_disk_full);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  const std::string& path() const { return path_; }
  // What was there when it was opened and what was appended since, in the order of lines.
  const std::vector<Record>& records() const { return records_; }
  // Whether opening removed a line that was cut short.
  bool was_repaired() const { return repaired_; }

  // Writes `fields` as one line and waits until it is on disk. While the disk is full, what was written of the line is taken back and
  // on_disk_full asked; where it gives up, throws Error. The file then ends with the record before.
  const Record& append(Json fields);

 private:
  std::string path_;
  OnDiskFull on_disk_full_;
  int descriptor_ = -1;
  std::vector<Record> records_;
  bool repaired_ = false;
};

}  // namespace fakequant
