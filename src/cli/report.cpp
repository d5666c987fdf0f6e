// fakequant report: what a run found, in words and as files.

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/findings_text.h"
#include "cli/report_files.h"
#include "record/run_files.h"
#include "report/chart_images.h"
#include "report/charts.h"
#include "report/findings.h"
#include "report/json_report.h"

namespace fakequant::cli {
namespace {

struct Options {
  std::string folder;
  std::string compare;
  std::string formats = "html,md";
  std::string output;
  std::string charts;
  bool force = false;
};

// Whether `path` is meant as a folder: it is one, or ends like one.
bool is_folder(const std::string& path) {
  std::error_code error;
  return path.ends_with('/') || std::filesystem::is_directory(path, error);
}

bool goes_to_standard_output(const Options& options) {
  return options.output == "-";
}

// Writes a single file to standard output in place of what is printed there.
void print_file(const std::vector<ReportFile>& files) {
  const std::string& text = files.at(0).content;
  bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) throw Error("standard output: the report could not be written");
}

// What cannot be meant, before anything is read.
void check_outputs(const Options& options, const CommonOptions& common,
                   const std::vector<ReportFormat>& formats) {
  if (!options.compare.empty() && !options.charts.empty()) {
    throw UsageError("--charts draws those of one run: it cannot be given with --compare");
  }
  if (goes_to_standard_output(options) && (formats.size() != 1 || formats[0] == ReportFormat::csv)) {
    throw UsageError("--output -: found --format {}, wanted one of html, md, json for standard output",
                     printable(options.formats));
  }
  if (goes_to_standard_output(options) && common.json_path == "-") {
    throw UsageError("--output - and --json - both write to standard output: give one of them another place");
  }
  if (!options.charts.empty() && is_run_folder(options.charts)) {
    throw Error("--charts {0}: found the folder of a run, wanted one for images, such as {1}",
                printable(options.charts),
                printable((std::filesystem::path(options.charts) / "charts").string()));
  }
}

// Where the files go: a folder, made where it is not there, or one path for a single file.
std::unique_ptr<PendingReport> begin_files(const Options& options, std::vector<ReportFile> files) {
  if (options.output.empty())
    return std::make_unique<PendingReport>(std::move(files), options.folder, options.force);
  bool one_file = files.size() == 1 && files[0].format != ReportFormat::csv;
  if (one_file && !is_folder(options.output)) {
    return std::make_unique<PendingReport>(std::move(files[0]), options.output, options.force);
  }
  std::error_code error;
  std::filesystem::create_directories(options.output, error);
  if (error) {
    throw Error("--output {}: found {}, wanted a folder for {} files: {}", printable(options.output),
                std::filesystem::exists(options.output) ? "a file" : "nothing", files.size(),
                error.message());
  }
  return std::make_unique<PendingReport>(std::move(files), options.output, options.force);
}

void print_paths(const std::vector<std::string>& paths) {
  fmt::print("\n");
  for (const std::string& path : paths) fmt::print("{}\n", printable(path));
}

int compare(const Options& options, const CommonOptions& common, const std::vector<ReportFormat>& formats,
            const report::RunReport& report) {
  report::RunComparison comparison =
      report::compare_runs(report, report::read_run_report(RunFolder(options.compare)));
  std::vector<ReportFile> contents = comparison_files(comparison, formats);
  if (goes_to_standard_output(options)) {
    print_file(contents);
    write_json(common, [&] { return comparison_json(comparison); });
    return kDone;
  }
  std::vector<std::string> paths = begin_files(options, std::move(contents))->publish();
  if (common.prints_text()) {
    fmt::print("A {}\nB {}\n\n", printable(comparison.a), printable(comparison.b));
    print_findings(comparison.findings, true);
    print_paths(paths);
  }
  write_json(common, [&] { return comparison_json(comparison); });
  return kDone;
}

int run(const Options& options, const CommonOptions& common) {
  std::vector<ReportFormat> formats = parse_report_formats(split(options.formats, ','), "--format");
  check_outputs(options, common, formats);
  RunFolder folder(options.folder);
  check_json_target(common, {folder.path() + "/" + kJournalFile, folder.path() + "/" + kLogFile});
  report::RunReport report = report::read_run_report(folder);
  if (!options.compare.empty()) return compare(options, common, formats, report);
  std::vector<ReportFile> contents = report_files(folder, report, formats);
  bool to_output = goes_to_standard_output(options);
  std::unique_ptr<PendingReport> files;
  if (!to_output) files = begin_files(options, std::move(contents));
  // What can fail for want of other programs comes before anything appears.
  std::vector<std::string> images;
  if (!options.charts.empty()) images = report::write_chart_images(report::charts(report), options.charts);
  if (to_output) print_file(contents);
  std::vector<std::string> paths;
  if (files) paths = files->publish();
  if (common.prints_text() && !to_output) {
    fmt::print("{}\n\n", printable(report.title));
    print_findings(find_all(report), common.verbose);
    print_paths(paths);
    if (!images.empty())
      fmt::print("{} of charts in {}\n", counted(images.size(), "file"), printable(options.charts));
  }
  write_json(common, [&] { return report_json(report); });
  return kDone;
}

}  // namespace

std::function<int()> add_report(CLI::App& app, CommonOptions& common) {
  auto options = std::make_shared<Options>();
  app.add_option("DIR", options->folder, "The folder of a run, as `fakequant run` makes it")->required();
  app.add_option("--format", options->formats,
                 "What to write, separated by commas: html, md, csv, json; default html,md")
      ->type_name("LIST");
  app.add_option("-o,--output", options->output,
                 "Folder to write to, or a file for a single format, - for standard output; default DIR")
      ->type_name("PATH");
  app.add_option("--compare", options->compare, "Compare with this other run: what differs between the two")
      ->type_name("DIR2");
  app.add_option("--charts", options->charts,
                 "Also draw every chart as SVG and PNG into this folder (needs node and rsvg-convert)")
      ->type_name("FOLDER");
  app.add_flag("--force", options->force, "Replace files of these names that are no reports");
  app.footer(
      "Examples:\n"
      "  fakequant report demo                        the answer in words; demo/report.html and "
      "demo/report.md\n"
      "  fakequant report demo --format csv           demo/report_csv/, a file for each table\n"
      "  fakequant report demo --format md -o a.md    one file\n"
      "  fakequant report demo --json -               everything, for programs\n"
      "  fakequant report monday --compare tuesday    monday/comparison.html: what differs\n"
      "  fakequant report demo --charts figures       for papers\n\n"
      "What is printed: ! marks what is wrong, ? what could be misread; -v adds what is merely worth "
      "knowing.\n"
      "  +/-      one standard error: over chunks where there are eight or more, else as if tokens were "
      "independent\n"
      "  noise    within two standard errors of 0, or no farther from 0 than a control that is so\n"
      "A run may be unfinished: the report says so. Every number in a report names its line of "
      "journal.jsonl, as\n"
      "[J12]. Existing reports are replaced, other files are not (--force: they are too, but never what a "
      "run is kept in).\n"
      "All files appear, or none does.");
  return [options, &common] { return run(*options, common); };
}

}  // namespace fakequant::cli
