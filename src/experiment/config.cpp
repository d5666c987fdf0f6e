#include "experiment/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "evaluate/prompt_tables.h"
#include "experiment/config_checks.h"
#include "experiment/config_variants.h"

namespace fakequant {
namespace {

// Reads one experiment file and gathers everything that is wrong with it.
class ConfigReader {
 public:
  ConfigReader(std::string_view text, const std::string& path, const ConfigOverrides& overrides)
      : overrides_(overrides), files_(path, overrides.demo), problems_(path) {
    config_.path = path;
    config_.source = text;
  }

  ExperimentConfig read() {
    toml::table tree = parse_toml(config_.source, problems_);
    ConfigTableReader top(tree, "", "", problems_);
    config_.title = top.text("title").value_or("");
    config_.description = top.text("description").value_or("");
    read_models(top);
    read_texts(top);
    if (auto settings = table_of(top, "settings")) read_settings(*settings);
    if (auto measure = table_of(top, "measure")) read_measures(*measure);
    read_prompts_of(top);
    read_stages(top);
    add_compared_models();
    read_criteria(top);
    if (auto limits = table_of(top, "limits")) read_limits(*limits);
    if (auto output = table_of(top, "output")) read_output(*output);
    check_config(config_, problems_);
    problems_.throw_if_any();
    return std::move(config_);
  }

 private:
  // The table [name]; nothing where there is none, or where it is none.
  std::optional<ConfigTableReader> table_of(const ConfigTableReader& top, const std::string& name) {
    const toml::node* node = top.find(name);
    if (node == nullptr) return std::nullopt;
    if (const toml::table* table = node->as_table())
      return ConfigTableReader(*table, name, name + ": ", problems_);
    top.report(line_of(*node), fmt::format("{}: found {}, wanted a table: [{}]", name, type_of(*node), name));
    return std::nullopt;
  }

  // Calls `find` for a file's path, and reports where there is none.
  template <typename Find>
  std::string path_of(size_t line, const std::string& place, const Find& find) {
    try {
      return find();
    } catch (const Error& error) {
      problems_.report(line, fmt::format("{}{}", place, error.what()));
      return "";
    }
  }

  ConfigModel model_of(const std::string& key, const std::string& name, size_t line) {
    return {name, path_of(line, key + ": ", [&] { return files_.model(name); }), {line}};
  }

  void read_models(const ConfigTableReader& top) {
    if (top.has("model") && top.has("models"))
      top.report(top.line_of("models"), "model and models exclude each other; leave one out");
    if (overrides_.models.empty()) {
      for (const char* key : {"model", "models"}) {
        for (const ConfigValue& value : top.values(key))
          config_.models.push_back(model_of(key, value.text(), value.line));
      }
      if (!top.has("model") && !top.has("models"))
        top.report(0, "no model; write model = \"model.gguf\", or \"demo\"");
    }
    for (const std::string& name : overrides_.models)
      config_.models.push_back({name, files_.given_model(name), {}});
    std::optional<std::string> baseline = top.text("baseline");
    if (!baseline) return;
    compared_ = std::move(config_.models);
    config_.models = {model_of("baseline", *baseline, top.line_of("baseline"))};
  }

  // The models that are compared with a baseline are the first variants.
  void add_compared_models() {
    if (compared_.empty()) return;
    if (config_.stages.empty())
      config_.stages.push_back({std::string(kOnlyStage), {}, {}, compared_.front().place});
    std::vector<ConfigVariant>& variants = config_.stages.front().variants;
    for (size_t i = 0; i < compared_.size(); ++i) {
      ConfigVariant variant;
      variant.name = compared_[i].name;
      variant.place = compared_[i].place;
      variant.model = compared_[i];
      variants.insert(variants.begin() + static_cast<std::ptrdiff_t>(i), std::move(variant));
    }
  }

  void read_texts(const ConfigTableReader& top) {
    std::optional<size_t> chunks;
    if (const toml::node* texts = top.find("text")) {
      for_each_table(*texts, "text", problems_, [&](const toml::table& node, size_t number) {
        std::string place = fmt::format("text {}: ", number);
        ConfigTableReader table(node, "text", place, problems_);
        ConfigText text;
        text.name = table.text("file").value_or("");
        text.place.line = table.line();
        if (std::optional<int64_t> count = table.whole("chunks")) text.chunks = static_cast<size_t>(*count);
        if (!chunks) chunks = text.chunks;
        if (!overrides_.texts.empty()) return;
        if (!text.name.empty())
          text.path =
              path_of(table.line_of("file"), place + "file: ", [&] { return files_.text(text.name); });
        config_.texts.push_back(std::move(text));
      });
    }
    // A text of the command line takes the place of the first one, chunks included.
    for (const std::string& name : overrides_.texts)
      config_.texts.push_back({name, files_.given_text(name), chunks, {}});
    if (!overrides_.chunks) return;
    for (ConfigText& text : config_.texts) text.chunks = overrides_.chunks;
  }

  void read_settings(const ConfigTableReader& table) {
    ConfigSettings& settings = config_.settings;
    settings.context = static_cast<int>(table.whole("context").value_or(settings.context));
    settings.batch = static_cast<int>(table.whole("batch").value_or(settings.batch));
    settings.threads = static_cast<int>(table.whole("threads").value_or(settings.threads));
    settings.gpu_layers = static_cast<int>(table.whole("gpu_layers").value_or(settings.gpu_layers));
    settings.seed = static_cast<uint64_t>(table.whole("seed").value_or(0));
    settings.epsilon = table.number("epsilon").value_or(settings.epsilon);
    settings.control = table.text("control").value_or(settings.control);
    if (auto word = table.text("flash_attention"))
      settings.flash_attention = parse_flash_attention(*word).value();
    if (auto name = table.text("cache_k")) settings.cache_k = tensor_type_from_name(*name).value();
    if (auto name = table.text("cache_v")) settings.cache_v = tensor_type_from_name(*name).value();
    check_cache_v(settings, settings.cache_v, table.line_of("cache_v"), "settings: ", problems_);
    if (auto size = table.text("logits_memory")) settings.logits_memory_bytes = parse_bytes(*size);
    if (auto name = table.text("imatrix"))
      settings.imatrix =
          path_of(table.line_of("imatrix"), "settings: imatrix: ", [&] { return files_.other(*name); });
  }

  void read_measures(const ConfigTableReader& table) {
    ConfigMeasures& measures = config_.measures;
    measures.inspect = table.flag("inspect").value_or(measures.inspect);
    measures.difference = table.flag("difference").value_or(measures.difference);
    measures.load = table.flag("load").value_or(measures.load);
    measures.divergence = table.flag("divergence").value_or(measures.divergence);
    measures.per_chunk = table.flag("per_chunk").value_or(measures.per_chunk);
    measures.chat = table.flag("chat").value_or(measures.chat);
    measures.speed = table.flag("speed").value_or(measures.speed);
    if (auto count = table.whole("speed_repetitions"))
      measures.speed_repetitions = static_cast<size_t>(*count);
    divergence_line_ = table.flag("divergence") == true ? table.line_of("divergence") : 0;
    chat_line_ = table.line_of("chat");
    prompts_asked_ = table.has("prompts");
    if (auto name = table.text("prompts")) read_prompts_file(*name, table.line_of("prompts"));
  }

  void read_prompts_file(const std::string& name, size_t line) {
    if (name == "default") {
      config_.measures.prompts = default_prompts();
      return;
    }
    try {
      config_.measures.prompts = load_prompts(files_.other(name));
    } catch (const Error& error) {
      for (const std::string& problem : split(error.what(), '\n'))
        problems_.report(line, fmt::format("measure: prompts: {}", problem));
    }
  }

  void read_prompts_of(const ConfigTableReader& top) {
    const toml::node* node = top.find("prompt");
    if (node != nullptr) {
      if (!config_.measures.prompts.empty())
        top.report(line_of(*node), "[[prompt]] and prompts of [measure] exclude each other; leave one out");
      config_.measures.prompts = read_prompts(*node, problems_);
    }
    if (config_.measures.chat && node == nullptr && config_.measures.prompts.empty() && !prompts_asked_)
      problems_.report(chat_line_,
                       "measure: chat: there are no prompts that it could be about; write prompts = "
                       "\"default\", or [[prompt]]");
    if (divergence_line_ > 0 && config_.texts.empty())
      problems_.report(
          divergence_line_,
          "measure: divergence: there is no text to measure on; write [[text]] and below it file = \"...\"");
    if (config_.texts.empty()) config_.measures.divergence = false;
  }

  void read_stages(const ConfigTableReader& top) {
    const toml::node* stages = top.find("stage");
    const toml::node* variants = top.find("variant");
    VariantReader reader(files_, count_variant_tables(top) == 1, problems_);
    if (stages != nullptr && variants != nullptr) {
      top.report(line_of(*variants),
                 "[[stage]] and [[variant]] exclude each other; write [[stage.variant]] below a [[stage]]");
    } else if (stages != nullptr) {
      for_each_table(*stages, "stage", problems_,
                     [&](const toml::table& table, size_t number) { read_stage(table, number, reader); });
    } else if (variants != nullptr) {
      ConfigStage& stage = config_.stages.emplace_back();
      stage.name = std::string(kOnlyStage);
      stage.place.line = line_of(*variants);
      read_variants(*variants, "", reader, stage);
    } else if (compared_.empty()) {
      top.report(0,
                 "no variants; write [[variant]], and below it what is changed: tensors, layers and format");
    }
  }

  static size_t count_variant_tables(const ConfigTableReader& top) {
    size_t count = 0;
    auto add = [&](const toml::node* node) {
      if (node != nullptr && node->is_array()) count += node->as_array()->size();
    };
    add(top.find("variant"));
    const toml::node* stages = top.find("stage");
    if (stages == nullptr || !stages->is_array()) return count;
    for (const toml::node& stage : *stages->as_array()) {
      if (const toml::table* table = stage.as_table()) add(table->get("variant"));
    }
    return count;
  }

  void read_stage(const toml::table& node, size_t number, VariantReader& reader) {
    std::string place = fmt::format("stage {}: ", number);
    ConfigTableReader table(node, "stage", place, problems_);
    ConfigStage& stage = config_.stages.emplace_back();
    stage.name = table.text("name").value_or("");
    stage.place.line = table.line();
    for (const ConfigValue& value : table.values("requires")) {
      stage.conditions.push_back(parse_condition(value.text()));
      check_measured(config_, stage.conditions.back(), value.line, problems_);
      if (number == 1)
        table.report(value.line,
                     "requires: nothing comes before the first stage, so there is nothing to require");
    }
    if (const toml::node* variants = table.find("variant")) {
      read_variants(*variants, place, reader, stage);
    } else if (number > 1 || compared_.empty()) {
      table.report(table.line(), "no variants; write [[stage.variant]]");
    }
  }

  void read_variants(const toml::node& node, const std::string& place, VariantReader& reader,
                     ConfigStage& stage) {
    for_each_table(
        node, place.empty() ? "variant" : "stage.variant", problems_,
        [&](const toml::table& table, size_t number) {
          for (ConfigVariant& variant : reader.read(table, fmt::format("{}variant {}: ", place, number)))
            stage.variants.push_back(std::move(variant));
        });
  }

  void read_criteria(const ConfigTableReader& top) {
    const toml::node* node = top.find("criterion");
    if (node == nullptr) return;
    for_each_table(*node, "criterion", problems_, [&](const toml::table& item, size_t number) {
      ConfigTableReader table(item, "criterion", fmt::format("criterion {}: ", number), problems_);
      ConfigCriterion& criterion = config_.criteria.emplace_back();
      criterion.name = table.text("name").value_or("");
      criterion.place.line = table.line();
      criterion.stops = table.flag("stop").value_or(false);
      std::string place = fmt::format("criterion {}: ", number);
      for (const ConfigValue& value : table.values("stages")) {
        criterion.stages.push_back(value.text());
        check_stage(config_, value.text(), value.line, place, problems_);
      }
      if (auto check = table.text("check")) {
        criterion.condition = parse_condition(*check);
        check_measured(config_, *criterion.condition, table.line_of("check"), problems_);
      }
      bool judged = table.flag("judge").value_or(false);
      if (judged && table.has("check"))
        table.report(table.line_of("judge"), "check and judge exclude each other; leave one out");
      if (!judged && !table.has("check"))
        table.report(table.line(),
                     "no check; write check = \"mean_rel < 0.01\", or judge = true where a person decides");
      if (judged && criterion.stops)
        table.report(table.line_of("stop"), "stop: what a person judges later stops nothing");
    });
  }

  void read_limits(const ConfigTableReader& table) {
    ConfigLimits& limits = config_.limits;
    if (auto time = table.text("measurement")) limits.seconds_per_measurement = parse_seconds(*time);
    if (auto time = table.text("time")) limits.seconds = parse_seconds(*time);
    if (auto size = table.text("memory")) limits.memory_bytes = parse_bytes(*size);
  }

  void read_output(const ConfigTableReader& table) {
    config_.output.files = table.flag("files").value_or(false);
    for (const ConfigValue& value : table.values("report")) config_.output.reports.push_back(value.text());
  }

  const ConfigOverrides& overrides_;
  ConfigFiles files_;
  TomlProblems problems_;
  ExperimentConfig config_;
  std::vector<ConfigModel> compared_;  // with a baseline
  size_t chat_line_ = 0;
  bool prompts_asked_ = false;
  size_t divergence_line_ = 0;  // where it is asked for in so many words
};

}  // namespace

ExperimentConfig load_experiment(const std::string& path, const ConfigOverrides& overrides) {
  return parse_experiment(read_toml_file(path, "experiment file"), path, overrides);
}

ExperimentConfig parse_experiment(std::string_view text, const std::string& path,
                                  const ConfigOverrides& overrides) {
  check_toml_size(text, path, "experiment file");
  return ConfigReader(text, path, overrides).read();
}

}  // namespace fakequant
