#pragma once
// The files of a report: their names, how they are known again, and how they are written, all of them or none. Knows no options.

#include <string>
#include <string_view>
#include <vector>

#include "record/run_folder.h"
#include "report/run_comparison.h"
#include "report/run_report.h"

namespace fakequant::cli {

enum class ReportFormat { html, markdown, csv, json };

// Names of formats as --format and experiment files take them, in the order of a list: "html", "md", "csv", "json".
std::vector<std::string> report_format_names();

// Formats of a list of names. Throws UsageError, "THING: ...", for another name and for an empty list; of one that is there twice, one.
std::vector<ReportFormat> parse_report_formats(const std::vector<std::string>& names, std::string_view thing);

struct ReportFile {
  std::string name;  // "report.html", "report_csv/tensors.csv"
  std::string content;
  ReportFormat format;
};

std::vector<ReportFile> report_files(const RunFolder& folder, const report::RunReport& report,
                                     const std::vector<ReportFormat>& formats);
std::vector<ReportFile> comparison_files(const report::RunComparison& comparison,
                                         const std::vector<ReportFormat>& formats);

// Whether a file's begin says that it is a report of ours in this format, or it is empty. Such a file may be replaced.
bool is_report(std::string_view begin, ReportFormat format);

// Files that are to appear together.
class PendingReport {
 public:
  // Writes all of them to disk under temporary names, each where `target` says that its name is; makes the folder of CSV files.
  //
  //   throws   Error when a folder cannot be written, the disk is full, or a file of that name is there that is no report, unless `replace`, or one
  //            that a run is kept in (is_run_file)
  PendingReport(std::vector<ReportFile> files, const std::string& folder, bool replace);
  // One file under a path of its own.
  PendingReport(ReportFile file, const std::string& path, bool replace);
  ~PendingReport();
  PendingReport(const PendingReport&) = delete;
  PendingReport& operator=(const PendingReport&) = delete;

  // Gives them their names, all or none: where one cannot have its own, those before it are what they were (unless the disk fails then
  // too). In the folder of CSV files, tables of an earlier report that this one does not have are removed; other files stay. Returns the
  // paths; of CSV files that of their folder, once.
  //
  //   throws   Error when a file cannot have its name, or an earlier table cannot be removed
  std::vector<std::string> publish();

 private:
  struct Entry;
  void add(const ReportFile& file, const std::string& path, bool replace);
  void remove_stale_tables() const;

  std::vector<Entry> entries_;
};

}  // namespace fakequant::cli
