#include "cli/report_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <span>

#include "base/error.h"
#include "base/text.h"
#include "gguf/mapped_file.h"
#include "gguf/pending_file.h"
#include "record/run_files.h"
#include "report/csv.h"
#include "report/json_report.h"
#include "report/markdown.h"
#include "report/page.h"

namespace fakequant::cli {
namespace {

namespace fs = std::filesystem;

struct FormatRow {
  ReportFormat format;
  const char* name;
  const char* mark;  // stands near the begin of every such file of ours
};

constexpr FormatRow kFormats[] = {
    {ReportFormat::html, "html", "<meta name=\"generator\" content=\"fakequant\">"},
    {ReportFormat::markdown, "md", report::kMarkdownMark},
    {ReportFormat::csv, "csv", "journal_lines\r\n"},
    {ReportFormat::json, "json", "\"kind\": \"fakequant "}};

const FormatRow& row_of(ReportFormat format) {
  return *std::find_if(std::begin(kFormats), std::end(kFormats),
                       [&](const FormatRow& row) { return row.format == format; });
}

std::string json_text(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string folder_of(const std::string& path) {
  return fs::path(path).parent_path().string();
}

std::string begin_of(const std::string& path) {
  constexpr size_t kBeginBytes = 4096;
  std::array<char, kBeginBytes> begin{};
  std::ifstream file(path, std::ios::binary);
  file.read(begin.data(), begin.size());
  return {begin.data(), static_cast<size_t>(file.gcount())};
}

// A table that some report wrote: NAME.csv whose header line ends as ours do.
bool is_our_table(const fs::directory_entry& file) {
  if (!fs::is_regular_file(file.symlink_status()) || file.path().extension() != ".csv") return false;
  std::string begin = begin_of(file.path().string());
  return std::string_view(begin).substr(0, begin.find('\n') + 1).ends_with(row_of(ReportFormat::csv).mark);
}

// What lies under a name before it is replaced, so that it can be put back.
class EarlierFile {
 public:
  explicit EarlierFile(const std::string& path) : path_(path) {
    if (!fs::exists(path)) return;
    MappedFile file(path);
    copy_.emplace(path, 0);
    copy_->copy_from(file, 0, 0, file.bytes().size());
  }

  void restore() noexcept {
    try {
      if (copy_)
        copy_->publish(true);
      else
        fs::remove(path_);
    } catch (const std::exception&) {
      // What made the restoring necessary is what gets told.
    }
  }

 private:
  std::string path_;
  std::optional<PendingFile> copy_;  // removed unless it is published
};

// Refuses a path where something lies that is not a report of ours, and a run's own files even with `replace`.
void check_report_target(const std::string& path, ReportFormat format, bool replace, uint64_t bytes) {
  refuse_run_file(path, printable(path));
  check_output(path, {}, true, bytes);
  if (replace || !fs::exists(path)) return;
  if (is_report(begin_of(path), format)) return;
  throw Error(
      "{}: exists and is no report of fakequant; give another place with --output, or --force to replace it",
      printable(path));
}

}  // namespace

std::vector<std::string> report_format_names() {
  std::vector<std::string> names;
  for (const FormatRow& row : kFormats) names.emplace_back(row.name);
  return names;
}

std::vector<ReportFormat> parse_report_formats(const std::vector<std::string>& names,
                                               std::string_view thing) {
  std::vector<ReportFormat> formats;
  for (const std::string& name : names) {
    auto row = std::find_if(std::begin(kFormats), std::end(kFormats),
                            [&](const FormatRow& known) { return lower(name) == known.name; });
    if (row == std::end(kFormats)) {
      throw UsageError("{}: found '{}', wanted {}{}", thing, excerpt(name), join(report_format_names(), ", "),
                       did_you_mean(name, report_format_names()));
    }
    if (std::find(formats.begin(), formats.end(), row->format) == formats.end())
      formats.push_back(row->format);
  }
  if (formats.empty())
    throw UsageError("{}: found no format, wanted {}", thing, join(report_format_names(), ", "));
  return formats;
}

std::vector<ReportFile> report_files(const RunFolder& folder, const report::RunReport& report,
                                     const std::vector<ReportFormat>& formats) {
  std::vector<ReportFile> files;
  for (ReportFormat format : formats) {
    switch (format) {
      case ReportFormat::html:
        files.push_back({"report.html", page_html(report, folder), format});
        break;
      case ReportFormat::markdown:
        files.push_back({"report.md", markdown_report(report), format});
        break;
      case ReportFormat::json:
        files.push_back({"report.json", json_text(report_json(report)), format});
        break;
      case ReportFormat::csv:
        files.push_back({report::csv_path("findings"), report::csv_findings(find_all(report)), format});
        for (const report::ReportTable& table : all_report_tables(report))
          files.push_back({report::csv_path(table.key), report::csv_table(table), format});
        break;
    }
  }
  return files;
}

std::vector<ReportFile> comparison_files(const report::RunComparison& comparison,
                                         const std::vector<ReportFormat>& formats) {
  constexpr const char* kCsv = "comparison_csv";
  std::vector<ReportFile> files;
  for (ReportFormat format : formats) {
    switch (format) {
      case ReportFormat::html:
        files.push_back({"comparison.html", comparison_html(comparison), format});
        break;
      case ReportFormat::markdown:
        files.push_back({"comparison.md", markdown_comparison(comparison), format});
        break;
      case ReportFormat::json:
        files.push_back({"comparison.json", json_text(comparison_json(comparison)), format});
        break;
      case ReportFormat::csv:
        files.push_back(
            {fmt::format("{}/findings.csv", kCsv), report::csv_findings(comparison.findings), format});
        for (const report::ReportTable& table : comparison.tables) {
          files.push_back({fmt::format("{}/{}.csv", kCsv, table.key), report::csv_table(table), format});
        }
        break;
    }
  }
  return files;
}

bool is_report(std::string_view begin, ReportFormat format) {
  return begin.empty() || begin.find(row_of(format).mark) != std::string_view::npos;
}

struct PendingReport::Entry {
  std::string path;
  PendingFile file;
  bool in_folder;  // of CSV files
};

PendingReport::PendingReport(std::vector<ReportFile> files, const std::string& folder, bool replace) {
  for (const ReportFile& file : files) add(file, (fs::path(folder) / file.name).string(), replace);
}

PendingReport::PendingReport(ReportFile file, const std::string& path, bool replace) {
  add(file, path, replace);
}

PendingReport::~PendingReport() = default;

void PendingReport::add(const ReportFile& file, const std::string& path, bool replace) {
  bool in_folder = file.format == ReportFormat::csv;
  if (in_folder) {
    std::string folder = folder_of(path);
    std::error_code error;
    fs::create_directory(folder, error);
    if (error) throw Error("{}: the folder cannot be made: {}", printable(folder), error.message());
  }
  check_report_target(path, file.format, replace, file.content.size());
  PendingFile pending(path, 0);
  pending.write(0, std::as_bytes(std::span(file.content)));
  pending.sync();
  entries_.push_back({path, std::move(pending), in_folder});
}

std::vector<std::string> PendingReport::publish() {
  // All copies are made before anything gets its name: a full disk changes nothing.
  std::vector<EarlierFile> earlier;
  for (const Entry& entry : entries_) earlier.emplace_back(entry.path);
  size_t published = 0;
  try {
    for (Entry& entry : entries_) {
      entry.file.publish(true);
      ++published;
    }
  } catch (...) {
    while (published > 0) earlier[--published].restore();
    throw;
  }
  remove_stale_tables();
  std::vector<std::string> paths;
  for (const Entry& entry : entries_) {
    std::string shown = entry.in_folder ? folder_of(entry.path) + "/" : entry.path;
    if (std::find(paths.begin(), paths.end(), shown) == paths.end()) paths.push_back(std::move(shown));
  }
  entries_.clear();
  return paths;
}

void PendingReport::remove_stale_tables() const {
  std::set<std::string> folders, own;
  for (const Entry& entry : entries_) {
    if (entry.in_folder) folders.insert(folder_of(entry.path));
    own.insert(entry.path);
  }
  for (const std::string& folder : folders) {
    for (const fs::directory_entry& file : fs::directory_iterator(folder)) {
      std::string path = file.path().string();
      if (own.contains(path) || !is_our_table(file)) continue;
      std::error_code error;
      fs::remove(path, error);
      if (error)
        throw Error("{}: a table of an earlier report cannot be removed: {}", printable(path),
                    error.message());
    }
  }
}

}  // namespace fakequant::cli
