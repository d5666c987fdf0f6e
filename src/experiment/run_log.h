#pragma once
// The log of a run's folder: starts, ends and remarks. Knows no measurements. docs/journal.md describes it.

#include <string>
#include <vector>

#include "record/journal.h"

namespace fakequant {

struct LogStart {
  std::vector<std::string> command;  // as it was typed
  std::string program;               // version
  std::string llama_cpp;             // version
  int threads;                       // that work
};

struct LogEnd {
  std::string outcome;  // "done", "stopped", "interrupted" or "failed"
  size_t measured = 0;
  size_t kept = 0;
  size_t failed = 0;
  double seconds = 0;
  int exit_code = 0;
  std::string text;  // why, where it is not done; else ""
};

// Opens the file for each line, so that a remark can be made while a run is under way.
class RunLog {
 public:
  // `folder` is a run's. Nothing is opened yet.
  RunLog(const std::string& folder, Journal::OnDiskFull on_disk_full);

  // Each appends a line with the time. Throw Error as Journal does; another process that has the file open is waited for, a second at most.
  void start(const LogStart& start);
  void end(const LogEnd& end);
  void note(const std::string& text);

 private:
  void append(const Json& fields);

  std::string folder_;
  std::string path_;
  Journal::OnDiskFull on_disk_full_;
};

}  // namespace fakequant
