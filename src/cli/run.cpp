// fakequant run: carries out an experiment, or goes on with one.

#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <sstream>

#include "base/error.h"
#include "base/message.h"
#include "base/parallel.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/report_files.h"
#include "cli/run_check.h"
#include "cli/run_display.h"
#include "cli/run_summary.h"
#include "engine/codec.h"
#include "experiment/experiment_run.h"
#include "experiment/run_log.h"
#include "experiment/run_place.h"
#include "experiment/variant_files.h"

namespace fakequant::cli {

namespace {

struct Options {
  std::string experiment;
  std::string folder;
  ConfigOverrides overrides;
  size_t chunks = 0;  // 0: as the experiment says
  bool check = false;
  bool retry = false;
  std::string note;
};

// The words that this process was called with, as they were typed.
std::vector<std::string> command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  std::vector<std::string> words = split(std::move(content).str(), '\0');
  if (!words.empty() && words.back().empty()) words.pop_back();
  return words;
}

std::string folder_of(const Options& options) {
  return options.folder.empty() ? default_run_folder(options.experiment) : options.folder;
}

int add_note(const Options& options, const CommonOptions& common) {
  std::string folder = folder_of(options);
  std::ifstream journal(folder + "/" + kJournalFile);
  if (!journal)
    throw Error("{}: found no {} there, wanted the folder of a run for a note; --out names it",
                printable(folder), kJournalFile);
  RunLog(folder, {}).note(options.note);
  if (common.prints_text()) fmt::print("Noted in {}/{}.\n", printable(folder), kLogFile);
  return kDone;
}

RunRequest request_of(const Options& options, const ExperimentPlan& plan, int threads) {
  RunRequest request;
  request.folder = folder_of(options);
  request.command = command_line();
  request.worker_command = {"/proc/self/exe", "worker"};
  request.begin = {plan.config.source, plan.config.path, options.overrides, plan.hashes, threads};
  request.program = FAKEQUANT_VERSION;
  request.llama_cpp = llama_version();
  request.threads = static_cast<int>(max_thread_slots());
  request.retry = options.retry;
  return request;
}

// The reports that the experiment wants, beside the journal.
std::vector<std::string> write_reports(const RunFolder& folder, const report::RunReport& report,
                                       const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::vector<ReportFormat> formats = parse_report_formats(names, "[output] report");
  return PendingReport(report_files(folder, report, formats), folder.path(), false).publish();
}

// What a run does when it has ended: reports, what is told, and last the files of variants, for which the disk may have
// no room.
void finish(const ExperimentPlan& plan, const std::string& path, const RunOutcome& outcome,
            const CommonOptions& common) {
  bool is_over = outcome.result.end != RunEnd::interrupted;
  const ConfigOutput& output = plan.config.output;
  RunFolder folder(path);
  report::RunReport report = report::read_run_report(folder);
  std::vector<std::string> written;
  if (is_over) written = write_reports(folder, report, output.reports);
  if (common.prints_text()) print_summary(folder, report, outcome, written);
  write_json(common, [&] { return summary_json(path, outcome, written); });
  auto say = [&](const std::string& text) {
    if (common.prints_text()) fmt::print("{}\n", text);
  };
  if (output.files && is_over) write_variant_files(plan, path, common.progress(), say);
}

int run(Options& options, const CommonOptions& common) {
  check_json_target(common, {options.experiment});
  if (!options.note.empty()) return add_note(options, common);
  if (options.chunks > 0) options.overrides.chunks = options.chunks;
  options.overrides.threads = common.threads;
  options.overrides.demo = demo_files();
  ExperimentConfig config = load_experiment(options.experiment, options.overrides);
  int threads = common.threads > 0 ? common.threads : config.settings.threads;
  ThreadLimit limit(threads);
  ExperimentPlan plan = plan_experiment(std::move(config), common.progress());
  if (options.check) return check_experiment(plan, static_cast<int>(max_thread_slots()), common);
  RunRequest request = request_of(options, plan, threads);
  auto say = [&](const std::string& text) { write_message("fakequant: " + printable(text)); };
  RunOutcome outcome;
  {
    RunDisplay display(plan, common.quiet);
    outcome = carry_out(plan, request, display, say);
  }
  finish(plan, request.folder, outcome, common);
  return outcome.exit_code;
}

constexpr const char* kHelp =
    "An experiment is a TOML file: models, texts, variants, what is measured, criteria; docs/experiments.md "
    "describes it.\n"
    "Everything that is found is kept in DIR: journal.jsonl (what was found), log.jsonl (what happened), "
    "experiment.toml.\n"
    "Running again makes only what is missing, also after Ctrl-C, a kill or a power failure, and after the "
    "experiment changed.\n"
    "A measurement that fails is kept with the reason, and the run goes on.\n\n"
    "Ctrl-C lets the measurement under way go on for up to 5 seconds; a second one does not. Nothing that "
    "was measured is lost.\n"
    "Exit codes: 0 everything is measured; 1 a measurement failed, or the run could not be made; 3 a "
    "criterion failed, or a\n"
    "criterion or the time limit ended the run early; 130 after Ctrl-C, 143 after SIGTERM.\n\n"
    "Examples:\n"
    "  fakequant run experiments/ffn_norm_bf16.toml --check\n"
    "  fakequant run experiments/ffn_norm_bf16.toml --model model.gguf --file wiki.test.raw --chunks 20 "
    "--out norms\n"
    "  fakequant run experiments/ffn_norm_bf16.toml --out norms --note 'the machine was busy with something "
    "else'\n"
    "  fakequant report norms";

}  // namespace

std::function<int()> add_run(CLI::App& app, CommonOptions& common) {
  auto options = std::make_shared<Options>();
  app.add_option("EXPERIMENT", options->experiment, "The experiment: a TOML file")->required();
  app.add_option("-o,--out", options->folder,
                 "The run's folder; default EXPERIMENT.run in the working directory, without .toml")
      ->type_name("DIR");
  app.add_option("-m,--model", options->overrides.models,
                 "A model in place of the experiment's; may be given several times")
      ->type_name("MODEL")
      ->allow_extra_args(false);
  app.add_option("-f,--file", options->overrides.texts,
                 "A text in place of the experiment's; may be given several times")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--chunks", options->chunks,
                 "How many chunks of each text are read, in place of the experiment's")
      ->type_name("N")
      ->check(CLI::Range(size_t{1}, size_t{1} << 31));
  app.add_flag("--check", options->check, "Show the plan and how long it will take; measure nothing");
  app.add_flag("--retry", options->retry, "Make measurements again that have failed");
  app.add_option("--note", options->note, "Add a remark to the log of the run's folder; run nothing")
      ->type_name("TEXT");
  app.footer(kHelp);
  return [options, &common] { return run(*options, common); };
}

}  // namespace fakequant::cli
