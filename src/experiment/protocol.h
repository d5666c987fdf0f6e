#pragma once
// What a run and its worker say to each other: one JSON object a line. Knows neither processes nor measures.
//
//   to the worker    {"begin": {...}}                 the experiment; the first line, answered by `ready` or `failure`
//                    {"check": 0}                     a model of the plan: what it cannot do, answered by `problems`
//                    {"measure": 3, "key": "..."}     a measurement of the plan, answered by lines of progress and warnings, then `result`
//                                                     or `failure`
//   from the worker  {"ready": true}
//                    {"problems": ["...", ...]}
//                    {"progress": 0.43, "note": "KLD 0.0021", "baseline": false}
//                    {"warning": "..."}
//                    {"result": {...}}
//                    {"failure": "...", "baseline": true}
// `baseline` says that the work is the baseline's: where that fails, nothing that needs it has to be tried.

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "experiment/experiment_plan.h"

namespace fakequant {

// What a worker plans its experiment from: the same as the run did.
struct WorkerBegin {
  std::string source;  // of the experiment file
  std::string path;
  ConfigOverrides overrides;
  FileHashes hashes;  // of its files, which need not be read again
  int threads = 0;
  std::map<size_t, std::string> broken = {};  // models that ended a worker that opened them, and how
};

// Whether a model can do what the plan wants of it, as far as is known without its weights.
struct WorkerCheck {
  size_t model;  // into ExperimentPlan::models
};

struct WorkerMeasure {
  size_t index;     // into ExperimentPlan::measurements
  std::string key;  // of that measurement: another one means that a file has changed
};

using WorkerRequest = std::variant<WorkerBegin, WorkerCheck, WorkerMeasure>;

struct WorkerReady {};

struct WorkerProblems {
  std::vector<std::string> texts;  // a sentence each; none: it can
};

struct WorkerProgress {
  double share = 0;  // of the measurement, 0 to 1
  std::string note;  // an estimate so far
  bool baseline = false;
};

struct WorkerWarning {
  std::string text;
};

struct WorkerResult {
  Json result;
};

struct WorkerFailure {
  std::string text;
  bool baseline = false;
};

using WorkerAnswer =
    std::variant<WorkerReady, WorkerProblems, WorkerProgress, WorkerWarning, WorkerResult, WorkerFailure>;

// A message as one line, without its end. Text that is not UTF-8 gets U+FFFD.
std::string to_line(const WorkerRequest& request);
std::string to_line(const WorkerAnswer& answer);

// The message of a line. Throws Error for one that is none.
WorkerRequest parse_request(std::string_view line);
WorkerAnswer parse_answer(std::string_view line);

}  // namespace fakequant
