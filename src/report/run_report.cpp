#include "report/run_report.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "report/setting_words.h"

namespace fakequant::report {
namespace {

// Where in a list the element of an id is.
template <typename List>
std::optional<size_t> index_of(const List& list, std::string_view id) {
  auto found = std::find_if(list.begin(), list.end(), [&](const auto& element) { return element.id == id; });
  if (found == list.end()) return std::nullopt;
  return static_cast<size_t>(found - list.begin());
}

// The index that an id under `key` means; nothing for null. Throws Error for an id that names nothing.
template <typename List>
std::optional<size_t> read_reference(const Fields& from, std::string_view key, const List& list,
                                     const char* wanted) {
  std::string id = from.text_or_empty(key);
  if (id.empty()) return std::nullopt;
  std::optional<size_t> index = index_of(list, id);
  if (!index) from.fail(key, wanted);
  return index;
}

template <typename Value>
struct Word {
  const char* word;
  Value value;
};

template <typename Value, size_t Count>
Value read_word(const Fields& from, std::string_view key, const Word<Value> (&words)[Count]) {
  std::string text = from.text(key);
  std::vector<std::string> known;
  for (const Word<Value>& word : words) {
    if (text == word.word) return word.value;
    known.push_back(word.word);
  }
  from.fail(key, "one of " + join(known, ", "));
}

constexpr Word<Outcome> kOutcomes[] = {{"pass", Outcome::pass},
                                       {"fail", Outcome::fail},
                                       {"unmeasured", Outcome::unmeasured},
                                       {"judged", Outcome::judged}};
constexpr Word<Action> kActions[] = {{"run", Action::run}, {"skip", Action::skip}, {"stop", Action::stop}};

ReportModel read_model(const Fields& from) {
  return {.id = from.text("id"),
          .name = from.text("name"),
          .path = from.text_or_empty("path"),
          .hash = from.text_or_empty("hash"),
          .architecture = from.text_or_empty("architecture"),
          .bytes = from.count("bytes"),
          .weights = from.count("weights"),
          .bits_per_weight = from.optional_number("bits_per_weight").value_or(0),
          .layers = from.optional_count("layers").value_or(0),
          .training_context = from.optional_count("training_context"),
          .inspection = std::nullopt};
}

std::optional<BitCount> read_bits(const Fields& from, std::string_view key) {
  std::optional<Fields> bits = from.optional_object(key);
  if (!bits) return std::nullopt;
  return BitCount{bits->count("bits"), bits->count("weights")};
}

ReportVariant read_variant(const Fields& from, const RunReport& report) {
  ReportVariant variant;
  variant.id = from.text("id");
  variant.name = from.text("name");
  variant.stage = from.text_or_empty("stage");
  variant.what = from.text_or_empty("what");
  variant.model = read_reference(from, "model", report.models, "the id of a model").value_or(0);
  variant.tensors = from.text_or_empty("tensors");
  variant.layers = from.text_or_empty("layers");
  variant.format = from.text_or_empty("format");
  variant.store = from.text_or_empty("store");
  variant.cache_type_k = from.text_or_empty("cache_type_k");
  variant.cache_type_v = from.text_or_empty("cache_type_v");
  variant.file = from.text_or_empty("file");
  variant.is_control = from.flag_or_false("is_control");
  variant.bits = read_bits(from, "bits");
  variant.model_bits = read_bits(from, "model_bits");
  variant.file_bits = read_bits(from, "file_bits");
  variant.skipped_because = from.text_or_empty("skipped_because");
  return variant;
}

// Of an experiment without a title, the name of its folder.
std::string title_of(const std::string& title, const std::string& folder) {
  if (!title.empty()) return title;
  std::error_code error;
  std::filesystem::path path = std::filesystem::absolute(folder, error) / "";
  std::string name = path.lexically_normal().parent_path().filename().string();
  return name.empty() ? "A run of fakequant" : name;
}

void read_experiment(const Fields& from, RunReport& report) {
  report.title = title_of(from.text("title"), report.folder);
  report.description = from.text_or_empty("description");
  report.program = from.text_or_empty("program");
  report.llama_cpp = from.text_or_empty("llama_cpp");
  report.key = from.text_or_empty("key");
  for (const Fields& model : from.objects("models")) report.models.push_back(read_model(model));
  if (report.models.empty()) from.fail("models", "at least one");
  for (const Fields& text : from.objects("texts")) {
    report.texts.push_back(
        {text.text("id"), text.text("name"), text.text_or_empty("hash"), text.count("bytes")});
  }
  for (const Fields& stage : from.objects("stages")) {
    report.stages.push_back({stage.text("name"), stage.texts_or_none("requires")});
  }
  for (const Fields& variant : from.objects("variants")) {
    report.variants.push_back(read_variant(variant, report));
  }
  if (!from.has("settings")) return;
  Fields settings = from.object("settings");
  for (const auto& [name, value] : settings.json().items())
    report.settings.push_back({name, setting_text(name, value)});
}

// What there is of one measurement, put where it belongs.
void store_result(const ReportMeasurement& measurement, const Fields& result, RunReport& report) {
  const std::string& kind = measurement.kind;
  auto variant = [&]() -> ReportVariant& {
    if (!measurement.variant) throw Error("{}: a record of kind {} names no variant", result.place(), kind);
    return report.variants[*measurement.variant];
  };
  auto with_line = [&](auto value) {
    value.line = measurement.line;
    return value;
  };
  if (kind == "inspect") {
    report.models[measurement.model.value_or(0)].inspection = with_line(read_inspection(result));
  } else if (kind == "difference") {
    variant().difference = with_line(read_difference(result));
  } else if (kind == "load") {
    variant().load = with_line(read_load(result));
  } else if (kind == "generation") {
    variant().generation = with_line(read_generation(result));
  } else if (kind == "speed") {
    variant().speed = with_line(read_speed(result));
  } else if (kind == "perplexity") {
    PerplexityResult perplexity = with_line(read_perplexity(result));
    perplexity.model = measurement.model.value_or(0);
    perplexity.text = measurement.text.value_or(0);
    if (perplexity.text < report.texts.size()) report.baselines.push_back(std::move(perplexity));
  } else if (kind == "divergence") {
    if (!measurement.text) throw Error("{}: a record of kind {} names no text", result.place(), kind);
    DivergenceResult divergence = with_line(read_divergence(result));
    divergence.text = *measurement.text;
    variant().divergences.push_back(std::move(divergence));
  }
}

// Reads the measurements of a run's experiment.
class MeasurementReader {
 public:
  MeasurementReader(const RunFolder& folder, std::string journal, RunReport& report)
      : folder_(folder), journal_(std::move(journal)), report_(report) {}

  void read() {
    for (const Measured& measured : folder_.measurements()) read_one(measured);
    for (ReportVariant& variant : report_.variants) {
      std::stable_sort(variant.divergences.begin(), variant.divergences.end(),
                       [](const auto& a, const auto& b) { return a.text < b.text; });
    }
  }

 private:
  void read_one(const Measured& measured) {
    ReportMeasurement measurement;
    measurement.kind = measured.id.kind;
    measurement.key = measured.id.key;
    measurement.model = reference(report_.models, measured.id.model, "model");
    measurement.variant = reference(report_.variants, measured.id.variant, "variant");
    measurement.text = reference(report_.texts, measured.id.text, "text");
    if (measured.record != nullptr) {
      Fields record(measured.record->fields, place(measured.record->line));
      measurement.line = measured.record->line;
      measurement.failure = record.text_or_empty("failure");
      measurement.state = measurement.failure.empty() ? MeasurementState::done : MeasurementState::failed;
      measurement.seconds = record.optional_number("seconds");
      measurement.finished = record.text_or_empty("finished");
      if (measurement.failure.empty()) store_result(measurement, record.object("result"), report_);
    }
    report_.measurements.push_back(std::move(measurement));
  }

  template <typename List>
  std::optional<size_t> reference(const List& list, const std::string& id, const char* what) const {
    if (id.empty()) return std::nullopt;
    std::optional<size_t> index = index_of(list, id);
    if (index) return index;
    throw Error("{}: measurements: found the {} \"{}\", wanted one that the experiment has",
                place(folder_.experiment_record().line), what, excerpt(id));
  }

  std::string place(size_t line) const { return fmt::format("{}:{}", printable(journal_), line); }

  const RunFolder& folder_;
  std::string journal_;
  RunReport& report_;
};

// Lines of the measurements by their keys.
using KeyLines = std::map<std::string, size_t>;

size_t line_of(const KeyLines& lines, const std::string& key) {
  auto found = lines.find(key);
  return found == lines.end() ? 0 : found->second;
}

ReportCriterion read_criterion(const Fields& from, const RunReport& report, const KeyLines& lines) {
  ReportCriterion criterion;
  criterion.stage = from.text_or_empty("stage");
  criterion.name = from.text("name");
  criterion.check = from.text_or_empty("check");
  criterion.outcome = read_word(from, "outcome", kOutcomes);
  for (const Fields& value : from.objects_or_none("values")) {
    criterion.values.push_back(
        {.variant = read_reference(value, "variant", report.variants, "the id of a variant"),
         .text = read_reference(value, "text", report.texts, "the id of a text"),
         .value = value.optional_number("value"),
         .line = line_of(lines, value.text_or_empty("key"))});
  }
  return criterion;
}

ReportDecision read_decision(const Fields& from, const RunReport& report, const KeyLines& lines) {
  ReportDecision decision;
  decision.stage = from.text_or_empty("stage");
  decision.action = read_word(from, "action", kActions);
  for (const Fields& reason : from.objects_or_none("reasons")) {
    decision.reasons.push_back(
        {.check = reason.text("check"),
         .worst = reason.optional_number("worst"),
         .variant = read_reference(reason, "variant", report.variants, "the id of a variant"),
         .holds = reason.flag("holds"),
         .line = line_of(lines, reason.text_or_empty("key"))});
  }
  return decision;
}

void read_others(const RunFolder& folder, const std::string& journal, RunReport& report) {
  KeyLines lines;
  for (const ReportMeasurement& measurement : report.measurements) lines[measurement.key] = measurement.line;
  auto each = [&](const char* kind, auto read) {
    for (const Record* record : folder.others(kind)) {
      read(Fields(record->fields, fmt::format("{}:{}", printable(journal), record->line)), record->line);
    }
  };
  each("criterion", [&](const Fields& from, size_t line) {
    report.criteria.push_back(read_criterion(from, report, lines));
    report.criteria.back().line = line;
  });
  each("decision", [&](const Fields& from, size_t line) {
    report.decisions.push_back(read_decision(from, report, lines));
    report.decisions.back().line = line;
  });
  each("warning", [&](const Fields& from, size_t line) {
    report.warnings.push_back({line, from.text("text"),
                               read_reference(from, "model", report.models, "the id of a model"),
                               read_reference(from, "variant", report.variants, "the id of a variant")});
  });
}

// Missing measurements that a decision explains: those of a stage that was skipped; behind a stop, all of them.
void mark_left_out(RunReport& report) {
  bool stopped = false;
  std::vector<std::string> skipped;
  for (const ReportDecision& decision : report.decisions) {
    if (decision.action == Action::stop) stopped = true;
    if (decision.action == Action::skip) skipped.push_back(decision.stage);
  }
  for (ReportMeasurement& measurement : report.measurements) {
    if (measurement.state != MeasurementState::missing) continue;
    bool of_skipped =
        measurement.variant && std::find(skipped.begin(), skipped.end(),
                                         report.variants[*measurement.variant].stage) != skipped.end();
    if (stopped || of_skipped) measurement.state = MeasurementState::left_out;
  }
}

ReportSession read_session(const Fields& from) {
  ReportSession session;
  session.started = from.text_or_empty("time");
  session.folder = from.text_or_empty("folder");
  session.program = from.text_or_empty("program");
  session.llama_cpp = from.text_or_empty("llama_cpp");
  session.command = from.texts_or_none("command");
  std::optional<Fields> machine = from.optional_object("machine");
  if (!machine) return session;
  session.system = machine->text_or_empty("system");
  session.processor = machine->text_or_empty("processor");
  session.processors = machine->optional_count("processors");
  session.memory_bytes = machine->optional_count("memory_bytes");
  session.threads = machine->optional_count("threads");
  return session;
}

void read_end(const Fields& from, ReportSession& session) {
  session.ended = from.text_or_empty("time");
  session.outcome = from.text_or_empty("outcome");
  session.measured = from.optional_count("measured");
  session.kept = from.optional_count("kept");
  session.failed = from.optional_count("failed");
  session.seconds = from.optional_number("seconds");
  session.text = from.text_or_empty("text");
}

void read_log(const RunFolder& folder, RunReport& report) {
  const std::string path = folder.path() + "/" + kLogFile;
  for (const Record& record : folder.log()) {
    Fields from(record.fields, fmt::format("{}:{}", printable(path), record.line));
    std::string kind = from.text_or_empty("kind");
    if (kind == "start") {
      report.sessions.push_back(read_session(from));
      report.sessions.back().line = record.line;
    } else if (kind == "end" && !report.sessions.empty()) {
      read_end(from, report.sessions.back());
    } else if (kind == "note") {
      report.notes.push_back({record.line, from.text_or_empty("time"), from.text("text")});
    }
  }
}

std::string text_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  return valid_utf8(text.str());
}

}  // namespace

const DivergenceResult* ReportVariant::divergence(size_t text) const {
  for (const DivergenceResult& result : divergences) {
    if (result.text == text) return &result;
  }
  return nullptr;
}

bool RunReport::finished() const {
  return std::none_of(measurements.begin(), measurements.end(),
                      [](const auto& measurement) { return measurement.state == MeasurementState::missing; });
}

const ReportVariant* RunReport::control() const {
  for (const ReportVariant& variant : variants) {
    if (variant.is_control) return &variant;
  }
  return nullptr;
}

std::string RunReport::label(const ReportVariant& variant) const {
  if (models.size() < 2) return variant.name;
  return fmt::format("{} ({})", variant.name, models[variant.model].name);
}

RunReport read_run_report(const RunFolder& folder) {
  RunReport report;
  report.folder = folder.path();
  std::string journal = folder.path() + "/" + kJournalFile;
  report.experiment_line = folder.experiment_record().line;
  read_experiment(
      Fields(folder.experiment(), fmt::format("{}:{}", printable(journal), report.experiment_line)), report);
  MeasurementReader(folder, journal, report).read();
  read_others(folder, journal, report);
  mark_left_out(report);
  read_log(folder, report);
  report.experiment_file = text_of_file(folder.path() + "/" + kExperimentFile);
  return report;
}

}  // namespace fakequant::report
