#include "experiment/experiment_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "evaluate/control.h"
#include "experiment/cache_check.h"
#include "experiment/measurement_keys.h"
#include "experiment/variant_plan.h"
#include "formats/format_grammar.h"
#include "record/content_key.h"
#include "select/toml_file.h"
#include "tensors/rounder.h"

namespace fakequant {
namespace {

class Planner {
 public:
  Planner(ExperimentConfig config, Progress::Mode progress, const FileHashes& known)
      : progress_(progress), known_(known), problems_(config.path) {
    plan_.config = std::move(config);
  }

  ExperimentPlan make() {
    open_models();
    open_importance();
    check_texts();
    problems_.throw_if_any();
    add_variants();
    problems_.throw_if_any();
    watch_files();
    hash_files();
    add_measurements();
    for (Measurement& measurement : plan_.measurements)
      measurement.id.key = measurement_key(plan_, measurement);
    find_twins();
    return std::move(plan_);
  }

 private:
  // The index of a model, opened when it is met first; nothing where it cannot be.
  std::optional<size_t> open(const ConfigModel& model) {
    auto known = model_indices_.find(model.path);
    if (known != model_indices_.end()) return known->second;
    try {
      Model opened = Model::open(model.path);
      std::string id = fmt::format("m{}", plan_.models.size() + 1);
      plan_.models.push_back({std::move(id), model.name, std::move(opened), ""});
      model_indices_[model.path] = plan_.models.size() - 1;
    } catch (const Error& error) {
      problems_.report(model.place.line, fmt::format("model '{}': {}", excerpt(model.name), error.what()));
      model_indices_[model.path] = std::nullopt;
    }
    return model_indices_[model.path];
  }

  void open_models() {
    for (const ConfigModel& model : plan_.config.models) open(model);
    experiment_models_ = plan_.models.size();
    for (const ConfigStage& stage : plan_.config.stages) {
      for (const ConfigVariant& variant : stage.variants) {
        if (variant.model) open(*variant.model);
      }
    }
  }

  void open_importance() {
    const std::string& path = plan_.config.settings.imatrix;
    if (path.empty()) return;
    try {
      plan_.importance = ImportanceMatrix::load(path);
    } catch (const Error& error) {
      problems_.report(0, fmt::format("settings: imatrix: {}", error.what()));
    }
  }

  void check_texts() {
    for (const ConfigText& text : plan_.config.texts) {
      std::error_code error;
      uint64_t bytes = std::filesystem::file_size(text.path, error);
      if (error) {
        problems_.report(text.place.line,
                         fmt::format("text '{}': cannot be read: {}", excerpt(text.name), error.message()));
      } else if (bytes == 0) {
        problems_.report(text.place.line,
                         fmt::format("text '{}': found an empty file, wanted a text", excerpt(text.name)));
      }
      plan_.texts.push_back(
          {fmt::format("t{}", plan_.texts.size() + 1), text.name, text.path, "", bytes, text.chunks});
    }
  }

  void add_variants() {
    for (size_t stage = 0; stage < plan_.config.stages.size(); ++stage) {
      for (size_t model = 0; model < experiment_models_; ++model) {
        for (const ConfigVariant& config : plan_.config.stages[stage].variants)
          add_variant(config, plan_.config.stages[stage].name, model);
        if (stage == 0) add_control(model);
      }
    }
  }

  ExperimentVariant& new_variant(const std::string& name, const std::string& stage, size_t model) {
    std::string id = fmt::format("v{}", plan_.variants.size() + 1);
    return plan_.variants.emplace_back(
        ExperimentVariant{std::move(id), name, stage, model, nullptr, std::nullopt, std::nullopt, "", ""});
  }

  void add_variant(const ConfigVariant& config, const std::string& stage, size_t model) {
    ExperimentVariant& variant = new_variant(config.name, stage, model);
    variant.config = &config;
    variant.what = what_of(config);
    try {
      if (config.model) {
        variant.file = open(*config.model);
        FQ_CHECK(variant.file.has_value());
        check_vocabulary(plan_.models[*variant.file], plan_.models[model]);
      }
      check_caches(config, plan_.models[variant.file.value_or(model)].model);
      if (!config.rules.empty()) plan_rules(config, variant);
    } catch (const Error& error) {
      std::string of =
          experiment_models_ > 1 ? fmt::format(" on {}", printable(plan_.models[model].name)) : "";
      for (const std::string& line : split(error.what(), '\n'))
        problems_.report(config.place.line,
                         fmt::format("variant '{}'{}: {}", excerpt(config.name), of, line));
    }
  }

  void check_caches(const ConfigVariant& config, const Model& model) {
    const ConfigSettings& settings = plan_.config.settings;
    check_cache_types(model, config.cache_k.value_or(settings.cache_k),
                      config.cache_v.value_or(settings.cache_v), settings.flash_attention);
  }

  void plan_rules(const ConfigVariant& config, ExperimentVariant& variant) {
    const PlannedModel& model = plan_.models[variant.model];
    if (config.missing_layers == MissingLayers::skip) {
      variant.skipped_because = missing_layers(config.rules, model.model);
      if (!variant.skipped_because.empty()) return;
    }
    variant.plan = plan_variant(config, model.model);
    if (variant.plan->tensors.empty()) {
      throw Error("it changes nothing, since its format fits none of the {} that it chooses",
                  counted(variant.plan->skipped.size(), "tensor"));
    }
    check_rounders(*variant.plan, model.model, plan_.importance);
    for (const std::string& text : remarks_of(*variant.plan, model.model, plan_.importance))
      plan_.warnings.push_back({text, model.id, variant.id});
  }

  void add_control(size_t index) {
    const std::string& name = plan_.config.settings.control;
    if (name == "none") return;
    const PlannedModel& model = plan_.models[index];
    Format format = parse_format(name);
    Plan plan = control_plan(model.model.tensors(), format);
    size_t chosen = plan.tensors.size();
    if (chosen == 0) {
      plan_.warnings.push_back(
          {fmt::format("no control: no tensor takes {} in the type that it is stored as", format.name),
           model.id, ""});
      return;
    }
    size_t all = model.model.tensors().size();
    ExperimentVariant& variant = new_variant(
        fmt::format("control: {} {}", format.name,
                    chosen == all ? "everywhere" : fmt::format("on {} of {} tensors", chosen, all)),
        plan_.config.stages.front().name, index);
    variant.what = fmt::format("all weights of F32, F16 and BF16 in {}", format.name);
    variant.plan = std::move(plan);
  }

  uint64_t bytes_to_read() const {
    uint64_t bytes = 0;
    for (const PlannedModel& model : plan_.models) {
      if (!known_.contains(model.model.path())) bytes += model.model.total_bytes();
    }
    for (const PlannedText& text : plan_.texts) bytes += known_.contains(text.path) ? 0 : text.bytes;
    return bytes;
  }

  void watch_files() {
    std::vector<std::string> paths;
    for (const PlannedModel& model : plan_.models) {
      for (const std::string& path : model.model.paths()) paths.push_back(path);
    }
    for (const PlannedText& text : plan_.texts) paths.push_back(text.path);
    if (!plan_.config.settings.imatrix.empty()) paths.push_back(plan_.config.settings.imatrix);
    plan_.files = WatchedFiles(paths);
  }

  void hash_files() {
    Progress progress("reading files", bytes_to_read(), progress_);
    auto advance = [&](size_t bytes) { progress.advance(bytes); };
    auto hash_of = [&](const std::string& path, const std::vector<std::string>& parts) {
      auto known = known_.find(path);
      std::string hash = known != known_.end() ? known->second : files_key(parts, advance);
      plan_.hashes[path] = hash;
      return hash;
    };
    for (PlannedModel& model : plan_.models) model.hash = hash_of(model.model.path(), model.model.paths());
    for (PlannedText& text : plan_.texts) text.hash = hash_of(text.path, {text.path});
    const std::string& imatrix = plan_.config.settings.imatrix;
    if (!imatrix.empty()) plan_.importance_hash = hash_of(imatrix, {imatrix});
  }

  void add(const char* kind, size_t model, std::optional<size_t> variant = {},
           std::optional<size_t> text = {}) {
    Measurement measurement;
    measurement.id.kind = kind;
    measurement.id.model = plan_.models[model].id;
    measurement.id.variant = variant ? plan_.variants[*variant].id : "";
    measurement.id.text = text ? plan_.texts[*text].id : "";
    measurement.model = model;
    measurement.variant = variant;
    measurement.text = text;
    plan_.measurements.push_back(std::move(measurement));
  }

  // Variants are in the order of stages and, within, of models.
  void add_measurements() {
    const ConfigMeasures& measures = plan_.config.measures;
    std::set<size_t> inspected;
    std::set<size_t> read;  // models whose own perplexity is wanted already
    for (size_t i = 0; i < plan_.variants.size(); ++i) {
      const ExperimentVariant& variant = plan_.variants[i];
      if (measures.inspect && inspected.insert(variant.model).second) add("inspect", variant.model);
      if (!variant.skipped_because.empty()) continue;
      bool is_control = variant.config == nullptr;
      if (measures.difference && variant.plan) add("difference", variant.model, i);
      if (measures.load && !is_control && (variant.plan || variant.file)) add("load", variant.model, i);
      if (measures.divergence) {
        bool is_first = read.insert(variant.model).second;
        for (size_t text = 0; is_first && text < plan_.texts.size(); ++text)
          add("perplexity", variant.model, std::nullopt, text);
        for (size_t text = 0; text < plan_.texts.size(); ++text) add("divergence", variant.model, i, text);
      }
      if (!measures.prompts.empty()) add("generation", variant.model, i);
      if (measures.speed && !is_control) add("speed", variant.model, i);
    }
  }

  // Variants that are the same in all that counts, though they have other names: "0-5" and "all" of a model of six layers.
  void find_twins() {
    std::map<size_t, std::string> keys_of;  // of all its measurements
    for (const Measurement& measurement : plan_.measurements) {
      if (measurement.variant) keys_of[*measurement.variant] += measurement.id.key;
    }
    std::map<std::string, size_t> first;
    for (const auto& [variant, keys] : keys_of) {
      auto [known, is_new] = first.emplace(keys, variant);
      if (is_new) continue;
      const ExperimentVariant& twin = plan_.variants[variant];
      plan_.warnings.push_back(
          {fmt::format("'{}' is the same as '{}' on this model: measured once", printable(twin.name),
                       printable(plan_.variants[known->second].name)),
           plan_.models[twin.model].id, twin.id});
    }
  }

  Progress::Mode progress_;
  const FileHashes& known_;
  TomlProblems problems_;
  ExperimentPlan plan_;
  std::map<std::string, std::optional<size_t>> model_indices_;  // by path
  size_t experiment_models_ = 0;
};

}  // namespace

ExperimentPlan plan_experiment(ExperimentConfig config, Progress::Mode progress, const FileHashes& known) {
  return Planner(std::move(config), progress, known).make();
}

std::optional<uint64_t> training_context(const Model& model) {
  const MetadataEntry* context = model.shards().front().find(model.architecture() + ".context_length");
  return context != nullptr ? as_unsigned(*context) : std::nullopt;
}

}  // namespace fakequant
