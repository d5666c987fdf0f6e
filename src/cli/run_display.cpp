#include "cli/run_display.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "base/message.h"
#include "base/progress_line.h"
#include "base/text.h"
#include "cli/table.h"

namespace fakequant::cli {

namespace {

// Reads a number of a result, whatever else is there: what is shown in passing must not end a run.
std::optional<double> number_at(const Json& result, std::initializer_list<const char*> path) {
  const Json* at = &result;
  for (const char* key : path) {
    if (!at->is_object() || !at->contains(key)) return std::nullopt;
    at = &(*at)[key];
  }
  return at->is_number() ? std::optional(at->get<double>()) : std::nullopt;
}

std::string with_error(double value, const std::optional<double>& error, const char* form) {
  std::string text = fmt::format(fmt::runtime(form), value);
  if (error) text += fmt::format(" +/- {:.2g}", *error);
  return text;
}

std::string inspect_text(const Json& result) {
  size_t count = result.contains("tensors") ? result["tensors"].size() : 0;
  return counted(count, "tensor");
}

std::string difference_text(const Json& result) {
  std::optional<double> changed = number_at(result, {"total", "changed_count"});
  std::optional<double> count = number_at(result, {"total", "count"});
  std::optional<double> relative = number_at(result, {"total", "mean_rel"});
  if (!changed || !count || !relative) return "";
  if (*changed == 0)
    return fmt::format("none of {} changed", counted(static_cast<uint64_t>(*count), "value"));
  return fmt::format("{} of {} changed, mean relative difference {}",
                     format_count(static_cast<uint64_t>(*changed)),
                     counted(static_cast<uint64_t>(*count), "value"), number(*relative));
}

std::string load_text(const Json& result) {
  if (number_at(result, {"nonfinite"}).value_or(0) > 0) return "loads, and computes NaN or Inf";
  std::optional<double> tokens = number_at(result, {"tokens_generated"});
  return tokens ? fmt::format("loads and makes {}", counted(static_cast<uint64_t>(*tokens), "token")) : "";
}

std::string perplexity_text(const Json& result) {
  std::optional<double> value = number_at(result, {"model", "perplexity"});
  return value ? "perplexity " + with_error(*value, number_at(result, {"model", "error_tokens"}), "{:.4f}")
               : "";
}

std::string divergence_text(const Json& result) {
  std::optional<double> ratio = number_at(result, {"divergence", "ln_ppl_ratio"});
  std::optional<double> kld = number_at(result, {"divergence", "kld_mean"});
  if (!ratio || !kld) return "";
  return fmt::format("ln PPL ratio {}, KLD {}",
                     with_error(*ratio, number_at(result, {"divergence", "ln_ppl_ratio_error"}), "{:+.5f}"),
                     number(*kld));
}

std::string generation_text(const Json& result) {
  const Json* totals = result.contains("totals") ? &result["totals"] : nullptr;
  if (totals != nullptr && totals->is_array() && !totals->empty()) totals = &totals->front();
  if (totals == nullptr) return "";
  std::optional<double> same = number_at(*totals, {"identical"});
  std::optional<double> count = number_at(*totals, {"texts"});
  return same && count ? fmt::format("{} of {} the same", static_cast<uint64_t>(*same),
                                     counted(static_cast<uint64_t>(*count), "text"))
                       : "";
}

std::string speed_text(const Json& result) {
  if (!result.contains("subjects") || result["subjects"].empty()) return "";
  const Json& subject = result["subjects"].back();
  std::optional<double> prompt = number_at(subject, {"prompt", "ratio", "median"});
  std::optional<double> generation = number_at(subject, {"generation", "ratio", "median"});
  return prompt && generation
             ? fmt::format("{:.3f} times as fast reading, {:.3f} making tokens", *prompt, *generation)
             : "";
}

struct FoundRow {
  const char* kind;
  std::string (*text)(const Json& result);
};

constexpr FoundRow kFound[] = {{"inspect", inspect_text},
                               {"difference", difference_text},
                               {"load", load_text},
                               {"perplexity", perplexity_text},
                               {"divergence", divergence_text},
                               {"generation", generation_text},
                               {"speed", speed_text}};

size_t error_columns() {
  constexpr size_t kUsual = 80;
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsual;
  return size.ws_col;
}

std::string seconds_text(double seconds) {
  return seconds < 10 ? fmt::format("{:.1f} s", seconds) : fmt::format("{:.0f} s", seconds);
}

}  // namespace

std::string found_text(const std::string& kind, const Json& result) {
  for (const FoundRow& row : kFound) {
    if (kind == row.kind) return row.text(result);
  }
  return "";
}

std::string measurement_text(const ExperimentPlan& plan, const Measurement& measurement) {
  std::string of;
  if (measurement.variant) {
    of = printable(plan.variants[*measurement.variant].name);
    if (plan.models.size() > 1)
      of += " of " + printable(plan.models[plan.variants[*measurement.variant].model].name);
  } else if (measurement.model) {
    of = printable(plan.models[*measurement.model].name);
  }
  std::string text = of + ": " + measurement.id.kind;
  if (measurement.text && plan.texts.size() > 1)
    text += " on " + printable(plan.texts[*measurement.text].name);
  return text;
}

RunDisplay::RunDisplay(const ExperimentPlan& plan, bool quiet)
    : plan_(plan), quiet_(quiet), terminal_(isatty(STDERR_FILENO) == 1), start_(Clock::now()) {}

RunDisplay::~RunDisplay() {
  clear_line();
}

std::string RunDisplay::number_text(const RunStep& step) const {
  std::string count = std::to_string(step.count);
  return fmt::format("[{:>{}}/{}]", step.number, count.size(), count);
}

void RunDisplay::begins(const RunStep& step) {
  if (quiet_) return;
  if (step.measurement->variant && plan_.config.stages.size() > 1) {
    const std::string& stage = plan_.variants[*step.measurement->variant].stage;
    if (stage != stage_) write_message(fmt::format("stage '{}'", printable(stage)));
    stage_ = stage;
  }
  start_ = Clock::now();
  draw(step, {});
}

void RunDisplay::progresses(const RunStep& step, const WorkerProgress& progress) {
  if (!quiet_) draw(step, progress);
}

void RunDisplay::draw(const RunStep& step, const WorkerProgress& progress) {
  if (!terminal_) return;
  double gone = std::chrono::duration<double>(Clock::now() - start_).count();
  double share = std::clamp(progress.share, 0.0, 1.0);
  std::string note = printable(progress.note);
  std::string label = number_text(step) + " " + measurement_text(plan_, *step.measurement);
  // Of the whole run, of which some kinds of measurements may not be known yet.
  double own_left = share > 0.02 ? gone * (1 - share) / share : 0;
  double seconds_left = std::max(own_left, step.left.seconds - gone);
  bool is_known = seconds_left >= 0.5 || !step.left.is_least;
  ProgressState state{.label = label,
                      .share = share,
                      .seconds_left = is_known ? std::optional(seconds_left) : std::nullopt,
                      .note = note,
                      .is_least = step.left.is_least};
  constexpr size_t kSpare = 3;  // as Progress leaves free
  draw_line(progress_line(state, std::max(error_columns(), kSpare) - kSpare));
}

void RunDisplay::ends(const RunStep& step, const MeasurementOutcome& outcome, double seconds) {
  if (quiet_) return;
  std::string text = number_text(step) + " " + measurement_text(plan_, *step.measurement);
  bool has_failed = outcome.state == MeasurementOutcome::State::failed;
  std::string found = has_failed ? "failed: " + printable(outcome.failure)
                                 : found_text(step.measurement->id.kind, outcome.result);
  if (!found.empty()) text += ", " + found;
  write_message(fmt::format("{} ({})", text, seconds_text(seconds)));
  for (const std::string& warning : outcome.warnings) write_message("warning: " + printable(warning));
}

void RunDisplay::states(const Json& record) {
  if (quiet_ || record["kind"] != "decision") return;
  std::string stage = printable(record["stage"].get<std::string>());
  bool runs = record["action"] == "run";
  for (const Json& reason : record["reasons"]) {
    std::string worst = reason["worst"].is_number() ? "found " + number(reason["worst"].get<double>())
                                                    : "it was not measured";
    bool holds = reason["holds"].get<bool>();
    if (holds != runs) continue;
    write_message(fmt::format("stage '{}' {}: {} {}, {}", stage,
                              runs                         ? "runs"
                              : record["action"] == "skip" ? "is left out"
                                                           : "ends the experiment",
                              printable(reason["check"].get<std::string>()),
                              holds ? "holds" : "does not hold", worst));
  }
}

}  // namespace fakequant::cli
