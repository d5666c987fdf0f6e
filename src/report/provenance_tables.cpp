// Tables of where results come from: models, texts, settings, starts of the run, remarks of its user.

#include "base/text.h"
#include "report/table_builder.h"

namespace fakequant::report {
namespace {

constexpr ColumnOf<ReportModel> kModelColumns[] = {
    {words("model", "model", "its name in the experiment"),
     [](const ReportModel& model) { return text_cell(model.name); }},
    {words("path", "file", "as the experiment names it"),
     [](const ReportModel& model) { return text_cell(model.path); }},
    {words("architecture", "architecture", "as the file says"),
     [](const ReportModel& model) { return text_cell(model.architecture); }},
    {numbers("bytes", "size", "bytes", "of the file, all parts"),
     [](const ReportModel& model) {
       Cell cell = count_cell(model.bytes, 0);
       cell.text = format_bytes(model.bytes);
       return cell;
     }},
    {numbers("weights", "weights", "", "values in all tensors"),
     [](const ReportModel& model) { return count_cell(model.weights, 0); }},
    {numbers("bits_per_weight", "bits per weight", "bits per weight", "as the file stores them"),
     [](const ReportModel& model) {
       Cell cell = number_cell(model.bits_per_weight, 0);
       cell.text = bits_figure(model.bits_per_weight);
       return cell;
     }},
    {numbers("layers", "layers", "", "that tensors are named for"),
     [](const ReportModel& model) { return count_cell(model.layers, 0); }},
    {words("hash", "XXH3-128", "of its content"),
     [](const ReportModel& model) { return text_cell(model.hash); }}};

constexpr ColumnOf<ReportText> kTextColumns[] = {
    {words("text", "text", "its name in the experiment"),
     [](const ReportText& text) { return text_cell(text.name); }},
    {numbers("bytes", "size", "bytes", "of the file"),
     [](const ReportText& text) {
       Cell cell = count_cell(text.bytes, 0);
       cell.text = format_bytes(text.bytes);
       return cell;
     }},
    {words("hash", "XXH3-128", "of its content"),
     [](const ReportText& text) { return text_cell(text.hash); }}};

constexpr ColumnOf<Setting> kSettingColumns[] = {
    {words("setting", "setting", "its name in the experiment"),
     [](const Setting& setting) { return text_cell(setting.name); }},
    {words("value", "value", "as it was used"),
     [](const Setting& setting) { return text_cell(setting.value); }}};

std::string command_line(const ReportSession& session) {
  std::vector<std::string> parts;
  for (const std::string& word : session.command) parts.push_back(shell_quoted(word));
  return join(parts, " ");
}

std::string outcome_of(const ReportSession& session) {
  if (session.outcome.empty()) return "killed, or still running";
  return session.text.empty() ? session.outcome : session.outcome + ": " + session.text;
}

std::string machine_of(const ReportSession& session) {
  std::vector<std::string> parts;
  for (const std::string& part : {session.processor, session.system}) {
    if (!part.empty()) parts.push_back(part);
  }
  if (session.processors) parts.push_back(counted(*session.processors, "processor"));
  if (session.memory_bytes) parts.push_back(format_bytes(*session.memory_bytes));
  if (session.threads) parts.push_back(counted(*session.threads, "thread"));
  return join(parts, ", ");
}

constexpr ColumnOf<ReportSession> kRunColumns[] = {
    {words("started", "started", "UTC"),
     [](const ReportSession& session) { return text_cell(session.started); }},
    {words("command", "command", "as it was given"),
     [](const ReportSession& session) { return text_cell(command_line(session)); }},
    {words("folder", "in", "the working directory"),
     [](const ReportSession& session) { return text_cell(session.folder); }},
    {words("outcome", "outcome", "how it ended"),
     [](const ReportSession& session) { return text_cell(outcome_of(session)); }},
    {numbers("measured", "measured", "", "measurements that it made"),
     [](const ReportSession& session) { return count_cell(session.measured, 0); }},
    {numbers("failed", "failed", "", "of these, how many failed"),
     [](const ReportSession& session) { return count_cell(session.failed, 0); }},
    {numbers("seconds", "took", "s", "from start to end"),
     [](const ReportSession& session) {
       Cell cell = number_cell(session.seconds, 0);
       if (session.seconds) cell.text = duration_figure(*session.seconds);
       return cell;
     }},
    {words("program", "fakequant", "its version"),
     [](const ReportSession& session) { return text_cell(session.program); }},
    {words("llama_cpp", "llama.cpp", "its version"),
     [](const ReportSession& session) { return text_cell(session.llama_cpp); }},
    {words("machine", "machine", "what it ran on"),
     [](const ReportSession& session) { return text_cell(machine_of(session)); }}};

constexpr ColumnOf<ReportNote> kRemarkColumns[] = {
    {words("time", "time", "UTC"), [](const ReportNote& note) { return text_cell(note.time); }},
    {words("remark", "remark", "as it was given to --note"),
     [](const ReportNote& note) { return text_cell(note.text); }}};

}  // namespace

ReportTable models_table(const RunReport& report) {
  return make_table("models", "Models", kModelColumns, report.models);
}

ReportTable texts_table(const RunReport& report) {
  return make_table("texts", "Evaluation texts", kTextColumns, report.texts);
}

ReportTable settings_table(const RunReport& report) {
  return make_table("settings", "Settings", kSettingColumns, report.settings);
}

ReportTable runs_table(const RunReport& report) {
  return make_table("runs", "Commands", kRunColumns, report.sessions);
}

ReportTable remarks_table(const RunReport& report) {
  return make_table("remarks", "Remarks", kRemarkColumns, report.notes);
}

}  // namespace fakequant::report
