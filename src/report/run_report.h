#pragma once
// Everything that a report is made from: a run's folder as plain values, each with the journal line that it comes from. Read once; findings,
// tables, pages and charts know nothing else. Knows neither what numbers mean nor how they are shown.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "record/run_folder.h"
#include "report/results.h"

namespace fakequant::report {

struct ReportModel {
  std::string id, name, path, hash, architecture;
  uint64_t bytes = 0, weights = 0;
  double bits_per_weight = 0;
  uint64_t layers = 0;
  std::optional<uint64_t> training_context;
  std::optional<Inspection> inspection;
};

struct ReportText {
  std::string id, name, hash;
  uint64_t bytes = 0;
};

// A decision can leave a measurement out: its stage, or all that was still to come.
enum class MeasurementState { done, failed, left_out, missing };

// One measurement that the experiment wants.
struct ReportMeasurement {
  std::string kind, key;
  std::optional<size_t> model, variant, text;  // into RunReport
  MeasurementState state = MeasurementState::missing;
  size_t line = 0;  // of its record; 0 where there is none
  std::string failure;
  std::optional<double> seconds;
  std::string finished;
};

struct ReportVariant {
  std::string id, name, stage, what;
  size_t model = 0;  // into RunReport::models
  // As the experiment has them: for axes. "" where they do not apply.
  std::string tensors, layers, format, store, cache_type_k, cache_type_v, file;
  bool is_control = false;
  std::optional<BitCount> bits, model_bits, file_bits;
  std::string skipped_because;  // "" where it can be measured

  // What is there; the rest failed, or is missing (RunReport::measurements says which).
  std::optional<DifferenceResult> difference;
  std::optional<LoadResult> load;
  std::vector<DivergenceResult> divergences;  // in the order of the texts; not every text need be there
  std::optional<GenerationResult> generation;
  std::optional<SpeedResult> speed;

  const DivergenceResult* divergence(size_t text) const;  // null where there is none
};

struct ReportStage {
  std::string name;
  std::vector<std::string> conditions;  // what must hold before it runs
};

struct CriterionValue {
  std::optional<size_t> variant, text;
  std::optional<double> value;
  size_t line = 0;  // of the measurement; 0 where its record is not there
};

enum class Outcome { pass, fail, unmeasured, judged };

struct ReportCriterion {
  size_t line = 0;
  std::string stage, name, check;
  std::vector<CriterionValue> values;
  Outcome outcome = Outcome::unmeasured;
};

struct DecisionReason {
  std::string check;
  std::optional<double> worst;
  std::optional<size_t> variant;
  bool holds = false;
  size_t line = 0;  // of the measurement that decided
};

enum class Action { run, skip, stop };

struct ReportDecision {
  size_t line = 0;
  std::string stage;
  Action action = Action::run;
  std::vector<DecisionReason> reasons;
};

struct ReportWarning {
  size_t line = 0;
  std::string text;
  std::optional<size_t> model, variant;
};

// One start of `fakequant run`, with its end where it had one.
struct ReportSession {
  size_t line = 0;  // in the log
  std::string started, ended, folder, program, llama_cpp;
  std::vector<std::string> command;
  std::string system, processor;
  std::optional<uint64_t> processors, memory_bytes, threads;
  std::string outcome;  // done, stopped, interrupted, failed; "" for a run that was killed
  std::optional<uint64_t> measured, kept, failed;
  std::optional<double> seconds;
  std::string text;
};

struct ReportNote {
  size_t line = 0;  // in the log
  std::string time, text;
};

struct Setting {
  std::string name, value;
};

struct RunReport {
  std::string folder;
  size_t experiment_line = 0;
  std::string title;  // never "": that of an experiment without one is the name of its folder
  std::string description, program, llama_cpp, key;
  std::vector<ReportModel> models;
  std::vector<ReportText> texts;
  std::vector<ReportStage> stages;
  std::vector<ReportVariant> variants;  // the control too
  std::vector<ReportMeasurement> measurements;
  std::vector<PerplexityResult> baselines;  // perplexity of models alone
  std::vector<ReportCriterion> criteria;
  std::vector<ReportDecision> decisions;
  std::vector<ReportWarning> warnings;
  std::vector<Setting> settings;  // in the order of the experiment record
  std::vector<ReportSession> sessions;
  std::vector<ReportNote> notes;
  std::string experiment_file;  // its text; "" where it is not there

  // Whether nothing is missing: all was measured, failed, or was left out by a decision.
  bool finished() const;
  const ReportVariant* control() const;  // null where there is none
  // What to call a variant: its name, with its model where there are several.
  std::string label(const ReportVariant& variant) const;
};

// Reads all of it. The same folder gives the same report.
//
//   throws   Error, one sentence with file, line and key, for a field that is missing or of another type than docs/journal.md says, and
//            for ids that name nothing
RunReport read_run_report(const RunFolder& folder);

}  // namespace fakequant::report
