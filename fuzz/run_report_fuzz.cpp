// A run's folder with any journal: a report in every form, or an Error with printable text. Findings and tables see values of every size.

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "report/csv.h"
#include "report/json_report.h"
#include "report/markdown.h"
#include "report/page.h"

namespace {

using namespace fakequant;
using namespace fakequant::report;

void require(bool condition) {
  if (!condition) std::abort();
}

// A folder in memory where there is such a place: thousands of journals a second are written there. It is gone with the process.
const std::string& folder() {
  static const struct Folder {
    Folder() {
      std::string base = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path().string();
      path = fmt::format("{}/fakequant-fuzz-{}", base, getpid());
      std::filesystem::create_directories(path);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string path;
  } result;
  return result.path;
}

void write(const char* name, std::string_view header, std::string_view text) {
  std::ofstream file(folder() + "/" + name, std::ios::binary | std::ios::trunc);
  file << header << text << "\n";
}

void make_reports() {
  RunFolder run(folder());
  RunReport report = read_run_report(run);
  require(!markdown_report(report).empty());
  require(!report_json(report).dump().empty());
  for (const ReportTable& table : all_report_tables(report)) {
    for (const auto& row : table.rows) require(row.size() == table.columns.size());
    csv_table(table);
  }
  page_html(report, run);
  for (const Finding& finding : compare_runs(report, report).findings) require(finding.kind != std::string_view("results_differ"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  write(kJournalFile, "{\"fakequant_journal\": 1}\n", text);
  write(kLogFile, "{\"fakequant_log\": 1}\n", "");
  try {
    make_reports();
  } catch (const Error& error) {
    std::string message = error.what();
    require(!message.empty() && message == printable(message));
  }
  return 0;
}
