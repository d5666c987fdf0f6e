#pragma once
// The journal of a run as the run needs it: which measurements are there, and statements that are made once however often the run
// is begun. Knows nothing of how anything is measured.

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "experiment/experiment_plan.h"
#include "experiment/measurer.h"
#include "record/journal.h"

namespace fakequant {

class RunJournal {
 public:
  // Appends the experiment's record unless the last one says the same. The journal must outlive this.
  RunJournal(Journal& journal, Json experiment);

  // Of a measurement, the last one of its key: null where it was not made.
  const Json* find(const std::string& key) const;

  // Appends warnings that came with a measurement, then its record. Warnings come first, so that a measurement that is there has all
  // of them.
  void add(const Measurement& measurement, const MeasurementOutcome& outcome, double seconds);
  // Says of a measurement that is there already what was warned of when it was made, where this experiment has not.
  void keep(const Measurement& measurement);

  // Appends what is worth knowing of the plan, where this experiment has not said it.
  void remark(const PlanWarning& warning);

  // Appends a criterion or a decision unless it is what the experiment's last one of the same kind, stage and name says.
  void state(Json fields);

  // Whether this experiment's last word on stopping in a stage is that it does.
  bool has_stopped(const std::string& stage) const;

 private:
  void warn(Json fields);
  void append(Json fields);

  Journal& journal_;
  std::unordered_set<std::string> warned_;  // what this experiment warned of, as text
  size_t begin_ = 0;                        // of what this experiment says, into the journal's records
  std::unordered_map<std::string, size_t> measured_;                    // by key, into the journal's records
  std::unordered_map<std::string, std::vector<std::string>> warnings_;  // by key, of earlier runs
};

}  // namespace fakequant
