#include "experiment/run_journal.h"

#include "base/text.h"
#include "experiment/machine.h"

namespace fakequant {

namespace {

bool is_measurement(const Json& fields) {
  return fields.contains("result") || fields.contains("failure");
}

std::string text_of(const Json& fields, const char* name) {
  auto found = fields.find(name);
  return found != fields.end() && found->is_string() ? found->get<std::string>() : "";
}

Json named(const MeasurementId& id) {
  Json fields = {{"kind", id.kind}, {"key", id.key}, {"model", id.model}};
  if (!id.variant.empty()) fields["variant"] = id.variant;
  if (!id.text.empty()) fields["text"] = id.text;
  return fields;
}

Json warning_of(const std::string& text, const std::string& model, const std::string& variant) {
  Json fields = {{"kind", "warning"}, {"text", valid_utf8(text)}};
  if (!model.empty()) fields["model"] = model;
  if (!variant.empty()) fields["variant"] = variant;
  return fields;
}

Json warning_of(const std::string& text, const MeasurementId& id) {
  Json fields = warning_of(text, id.model, id.variant);
  fields["key"] = id.key;
  return fields;
}

bool is_about_stopping(const Json& fields) {
  std::string action = text_of(fields, "action");
  return action == "stop" || action == "go_on";
}

// Whether two records are about the same: a criterion of a stage, whether a stage runs, or whether the run stops in it.
bool answer_alike(const Json& a, const Json& b) {
  for (const char* name : {"kind", "stage", "name"}) {
    if (text_of(a, name) != text_of(b, name)) return false;
  }
  return is_about_stopping(a) == is_about_stopping(b);
}

}  // namespace

RunJournal::RunJournal(Journal& journal, Json experiment) : journal_(journal) {
  const std::vector<Record>& records = journal.records();
  bool is_there = false;
  for (size_t i = 0; i < records.size(); ++i) {
    const Json& fields = records[i].fields;
    if (text_of(fields, "kind") == "experiment") {
      is_there = fields == experiment;
      begin_ = i;
    }
    if (is_measurement(fields)) measured_[text_of(fields, "key")] = i;
    if (text_of(fields, "kind") == "warning")
      warnings_[text_of(fields, "key")].push_back(text_of(fields, "text"));
  }
  for (size_t i = begin_; is_there && i < records.size(); ++i) {
    const Json& fields = records[i].fields;
    if (text_of(fields, "kind") == "warning") warned_.insert(fields.dump());
  }
  if (is_there) return;
  begin_ = records.size();
  append(std::move(experiment));
}

const Json* RunJournal::find(const std::string& key) const {
  auto found = measured_.find(key);
  return found == measured_.end() ? nullptr : &journal_.records()[found->second].fields;
}

void RunJournal::append(Json fields) {
  journal_.append(std::move(fields));
}

void RunJournal::add(const Measurement& measurement, const MeasurementOutcome& outcome, double seconds) {
  for (const std::string& text : outcome.warnings) warn(warning_of(text, measurement.id));
  Json fields = named(measurement.id);
  if (outcome.state == MeasurementOutcome::State::measured) {
    fields["result"] = outcome.result;
  } else {
    fields["failure"] = valid_utf8(outcome.failure);
    if (outcome.baseline_failed) fields["baseline_failed"] = true;
  }
  fields["seconds"] = seconds;
  fields["finished"] = time_now();
  append(std::move(fields));
  measured_[measurement.id.key] = journal_.records().size() - 1;
}

void RunJournal::keep(const Measurement& measurement) {
  auto found = warnings_.find(measurement.id.key);
  if (found == warnings_.end()) return;
  for (const std::string& text : found->second) warn(warning_of(text, measurement.id));
}

void RunJournal::remark(const PlanWarning& warning) {
  warn(warning_of(warning.text, warning.model, warning.variant));
}

void RunJournal::warn(Json fields) {
  if (warned_.insert(fields.dump()).second) append(std::move(fields));
}

bool RunJournal::has_stopped(const std::string& stage) const {
  const std::vector<Record>& records = journal_.records();
  for (size_t i = records.size(); i > begin_; --i) {
    const Json& fields = records[i - 1].fields;
    if (text_of(fields, "kind") == "decision" && text_of(fields, "stage") == stage &&
        is_about_stopping(fields))
      return text_of(fields, "action") == "stop";
  }
  return false;
}

void RunJournal::state(Json fields) {
  const std::vector<Record>& records = journal_.records();
  for (size_t i = records.size(); i > begin_; --i) {
    const Json& last = records[i - 1].fields;
    if (!answer_alike(last, fields)) continue;
    if (last == fields) return;
    break;
  }
  append(std::move(fields));
}

}  // namespace fakequant
