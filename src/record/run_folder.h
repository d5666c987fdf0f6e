#pragma once
// The folder of a run as it is read: its records by what they are of. Knows docs/journal.md, not how anything was measured or is shown.

#include <map>
#include <optional>
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
  // Reads journal and log. Throws Error as read_journal; where there is no experiment in it.
  explicit RunFolder(std::string path);

  const std::string& path() const { return path_; }
  const Json& experiment() const { return experiment_->fields; }  // the last one
  const Record& experiment_record() const { return *experiment_; }
  // Every measurement that the experiment wants, in its order.
  const std::vector<Measured>& measurements() const { return measurements_; }
  // Those of a kind of one variant (of one model, where variant is ""), in order.
  std::vector<const Measured*> of(std::string_view kind, std::string_view variant) const;
  // Records of a kind that are no measurements (criterion, decision, warning), of this experiment: behind its record or, where it was
  // run again, as the last of the same stage and name.
  std::vector<const Record*> others(std::string_view kind) const;
  const std::vector<Record>& log() const { return log_; }

 private:
  std::string path_;
  std::vector<Record> journal_;
  std::vector<Record> log_;
  const Record* experiment_ = nullptr;
  std::vector<Measured> measurements_;
};

}  // namespace fakequant
