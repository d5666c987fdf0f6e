#include "cli/evaluate_inputs.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"

namespace fakequant::cli {

namespace {

bool same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return std::filesystem::equivalent(a, b, error);
}

std::vector<InputText> read_texts(const EvaluateOptions& options) {
  std::optional<size_t> chunks;
  if (options.chunks > 0) chunks = static_cast<size_t>(options.chunks);
  std::vector<InputText> texts;
  for (const std::string& path : options.texts) texts.push_back({path, read_text(path), chunks});
  return texts;
}

}  // namespace

EvaluateInputs::EvaluateInputs(EvaluateOptions& options, const CommonOptions& common) {
  std::vector<InputText> texts = read_texts(options);
  if (!options.recipe.importance.empty()) importance_ = ImportanceMatrix::load(options.recipe.importance);
  std::vector<InputModel> models = open_models(options, common);
  InputOptions wanted{.model = options.model,
                      .decode = options.decode,
                      .compared = options.compares(),
                      .makes_texts = !options.text.prompts.empty(),
                      .logits_file = logits_file_ ? &*logits_file_ : nullptr};
  wanted.decode.context = options.context;
  wanted.decode.batch = options.batch;
  checked_.emplace(std::move(models), std::move(texts), wanted);
  options.decode = checked_->decode();
}

// Every model once. What --json names is checked before anything takes long.
std::vector<InputModel> EvaluateInputs::open_models(const EvaluateOptions& options,
                                                    const CommonOptions& common) {
  std::vector<std::string> names = options.models;
  std::vector<std::string> inputs = options.texts;
  if (!options.baseline.empty()) {
    std::string path = model_path(options.baseline);
    if (LogitsFile::looks_like_one(path)) {
      logits_file_.emplace(path);
      inputs.push_back(path);
    } else {
      names.push_back(options.baseline);
    }
  }
  std::vector<InputModel> models;
  for (const std::string& name : names) {
    bool known = std::any_of(opened_.begin(), opened_.end(),
                             [&](const Model& model) { return same_file(model.path(), model_path(name)); });
    if (known) continue;
    const Model& model = opened_.emplace_back(open_model(name));
    models.emplace_back(name, model);
    for (const std::string& path : model.paths()) inputs.push_back(path);
  }
  inputs.insert(inputs.end(), options.recipe.recipes.begin(), options.recipe.recipes.end());
  if (!options.recipe.importance.empty()) inputs.push_back(options.recipe.importance);
  if (options.text.reads_file()) inputs.push_back(options.text.prompts);
  check_json_target(common, inputs);
  return models;
}

const InputModel& EvaluateInputs::model(const std::string& name) const {
  const std::vector<InputModel>& models = checked_->models();
  auto found = std::find_if(models.begin(), models.end(), [path = model_path(name)](const InputModel& model) {
    return same_file(model.model->path(), path);
  });
  FQ_CHECK(found != models.end());
  return *found;
}

}  // namespace fakequant::cli
