#pragma once
// The folder of a run as it is read: its records by what they are of. Knows docs/journal.md, not how anything was measured or is shown.

#include <string>
#include <string_view>
#include <vector>

#include "record/journal.h"

namespace fakequant {

// Which measurement of an experiment.
struct MeasurementId {
  std::string kind;
  std::string key;
  std::string model;
  std::string variant;  // "" for measurements of a model
  std::string text;     // "" where no text is
};

// A wanted measurement and what is there of it.
struct Measured {
  MeasurementId id;
  const Record* record = nullptr;  // null: it was not made (yet, or by decision)

  const Json* result() const;   // null where there is none
  std::string failure() const;  // "" where there is none
};

class RunFolder {
 public:
  // Reads journal and log. Where the log is not there it counts as empty: numbers do not depend on it.
  //
  //   throws   Error as read_journal; where it is no folder, no journal is in it, or no experiment in that; "path:line: ..." for a
  //            record that lacks what docs/journal.md promises of its kind, as far as this class reads it
  explicit RunFolder(std::string path);
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;
  RunFolder(RunFolder&&) = default;
  RunFolder& operator=(RunFolder&&) = default;

  const std::string& path() const { return path_; }
  const Json& experiment() const { return experiment_->fields; }  // the last one
  const Record& experiment_record() const { return *experiment_; }

  // Every measurement that the experiment wants, in its order, with the last record of its kind and key, wherever in the journal that is.
  const std::vector<Measured>& measurements() const { return measurements_; }

  // Those of a kind of one variant, in order; of a kind that knows no variants (inspect, perplexity), of one model. `id` is "v1" or "m1".
  std::vector<const Measured*> of(std::string_view kind, std::string_view id) const;

  // Records of a kind that are no measurements (criterion, decision, warning), of this experiment: those behind its record, in order.
  // Of several criteria of the same stage and name, several decisions whether a stage runs, several that stop in it, and several equal
  // warnings, the last one counts, and stands where the first one stood. A stop that was withdrawn is not among them.
  std::vector<const Record*> others(std::string_view kind) const;

  const std::vector<Record>& log() const { return log_; }

 private:
  std::string place_of(const Record& record) const;
  void find_experiment();
  void find_measurements();

  std::string path_;
  std::vector<Record> journal_;
  std::vector<Record> log_;
  const Record* experiment_ = nullptr;
  std::vector<Measured> measurements_;
};

}  // namespace fakequant
