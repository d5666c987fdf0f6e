#include "record/run_folder.h"

#include <filesystem>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

namespace {

constexpr std::string_view kGoOn = "go_on";

std::string in_folder(const std::string& folder, const char* name) {
  return (std::filesystem::path(folder) / name).string();
}

// A text that must be there; where `or_null`, it may be null or absent: "".
std::string text_at(const Json& fields, const char* key, const std::string& place, bool or_null = false) {
  auto found = fields.is_object() ? fields.find(key) : fields.end();
  bool is_absent = found == fields.end() || found->is_null();
  if (is_absent && or_null) return "";
  if (!is_absent && found->is_string()) return found->get<std::string>();
  throw Error("{}: found {} for '{}', wanted a text", place, is_absent ? "nothing" : excerpt(found->dump()),
              key);
}

// Whether a decision is about ending the run: what begins with a stop, and is withdrawn where its reasons hold no longer.
bool is_about_stopping(const std::string& action) {
  return action == "stop" || action == kGoOn;
}

// What makes two records of a kind one, of which the later counts.
std::string identity_of(const Record& record, std::string_view kind, const std::string& place) {
  if (kind == "criterion")
    return Json{text_at(record.fields, "stage", place), text_at(record.fields, "name", place)}.dump();
  if (kind == "decision") {
    // Whether a stage runs is one question, whether the run stops in it another.
    bool stops = is_about_stopping(text_at(record.fields, "action", place));
    return Json{text_at(record.fields, "stage", place), stops}.dump();
  }
  return record.fields.dump();
}

}  // namespace

const Json* Measured::result() const {
  if (record == nullptr) return nullptr;
  auto found = record->fields.find("result");
  return found == record->fields.end() || found->is_null() ? nullptr : &*found;
}

std::string Measured::failure() const {
  if (record == nullptr) return "";
  auto found = record->fields.find("failure");
  return found == record->fields.end() || !found->is_string() ? "" : found->get<std::string>();
}

RunFolder::RunFolder(std::string path) : path_(std::move(path)) {
  std::error_code error;
  if (!std::filesystem::is_directory(path_, error)) {
    throw Error("{}: found no folder, wanted that of a run, as `fakequant run` makes it", printable(path_));
  }
  std::string journal_path = in_folder(path_, kJournalFile);
  if (!std::filesystem::exists(journal_path, error)) {
    throw Error("{}: found no {} in it, wanted the folder of a run, as `fakequant run` makes it",
                printable(path_), kJournalFile);
  }
  journal_ = read_journal(journal_path, kRunJournal);
  std::string log_path = in_folder(path_, kLogFile);
  if (std::filesystem::exists(log_path, error)) log_ = read_journal(log_path, kRunLog);
  find_experiment();
  find_measurements();
}

std::string RunFolder::place_of(const Record& record) const {
  return fmt::format("{}:{}", printable(in_folder(path_, kJournalFile)), record.line);
}

void RunFolder::find_experiment() {
  for (const Record& record : journal_) {
    if (text_at(record.fields, "kind", place_of(record)) == "experiment") experiment_ = &record;
  }
  if (experiment_ != nullptr) return;
  throw Error("{}: found {} and no experiment among them, wanted one; was the run ended before it began?",
              printable(in_folder(path_, kJournalFile)), counted(journal_.size(), "record"));
}

void RunFolder::find_measurements() {
  std::map<std::pair<std::string, std::string>, const Record*> records;
  for (const Record& record : journal_) {
    std::string key = text_at(record.fields, "key", place_of(record), true);
    if (!key.empty()) records[{text_at(record.fields, "kind", place_of(record)), key}] = &record;
  }
  std::string place = place_of(*experiment_);
  auto wanted = experiment_->fields.find("measurements");
  if (wanted == experiment_->fields.end() || !wanted->is_array()) {
    throw Error("{}: found an experiment without a list of measurements, wanted one", place);
  }
  for (const Json& one : *wanted) {
    MeasurementId id{text_at(one, "kind", place), text_at(one, "key", place), text_at(one, "model", place),
                     text_at(one, "variant", place, true), text_at(one, "text", place, true)};
    auto found = records.find({id.kind, id.key});
    measurements_.push_back({std::move(id), found == records.end() ? nullptr : found->second});
  }
}

std::vector<const Measured*> RunFolder::of(std::string_view kind, std::string_view id) const {
  std::vector<const Measured*> result;
  for (const Measured& measured : measurements_) {
    const std::string& whose = measured.id.variant.empty() ? measured.id.model : measured.id.variant;
    if (measured.id.kind == kind && whose == id) result.push_back(&measured);
  }
  return result;
}

std::vector<const Record*> RunFolder::others(std::string_view kind) const {
  std::vector<const Record*> result;
  std::map<std::string, size_t> places;
  for (const Record& record : journal_) {
    if (record.line < experiment_->line || record.fields.find("kind").value() != kind) continue;
    auto [place, is_new] = places.emplace(identity_of(record, kind, place_of(record)), result.size());
    if (is_new) {
      result.push_back(&record);
    } else {
      result[place->second] = &record;
    }
  }
  std::erase_if(result, [](const Record* record) { return record->fields.value("action", "") == kGoOn; });
  return result;
}

}  // namespace fakequant
