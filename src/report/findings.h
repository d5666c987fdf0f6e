#pragma once
// The answer of a run in words, computed from its numbers: what was changed, what it costs, what to be careful about. Sentences are plain text;
// who shows them escapes them. Knows no page and no table.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "report/run_report.h"

namespace fakequant::report {

enum class Severity {
  answer,   // what the run was for
  note,     // worth knowing
  caution,  // numbers that could be misread
  problem,  // something is wrong, or missing
};

struct Finding {
  const char* kind;  // "nothing_changed", of finding_kinds()
  Severity severity;
  std::string text;           // one or more whole sentences
  std::vector<size_t> lines;  // of the journal that it rests on, ascending
};

// Where a kind of finding puts what it finds.
class FindingList {
 public:
  FindingList(const char* kind, Severity severity, std::vector<Finding>& findings)
      : kind_(kind), severity_(severity), findings_(findings) {}

  // Line 0 is left out, and so is a line that is there already.
  void add(std::string text, std::vector<size_t> lines);

 private:
  const char* kind_;
  Severity severity_;
  std::vector<Finding>& findings_;
};

// A row of the table of kinds: what it looks for, and the function that looks.
struct FindingKind {
  const char* name;
  Severity severity;
  const char* summary;
  void (*find)(const RunReport& report, FindingList& list);
};

std::span<const FindingKind> finding_kinds();

// All that the kinds find, in their order. Of one kind at most nine: where there are more than ten, the last one tells how many more.
std::vector<Finding> find_all(const RunReport& report);

const char* word_of(Severity severity);

}  // namespace fakequant::report
