#include "engine/weights.h"

#include <fmt/format.h>
#include <ggml-backend.h>
#include <llama.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.h"
#include "engine/guard.h"
#include "engine/llama_context.h"
#include "engine/llama_log.h"

namespace fakequant {

namespace {

using Tensors = std::map<std::string, std::vector<ggml_tensor*>>;

// The tensor whose memory `tensor` shows, itself when it is no view.
ggml_tensor* owner_of(ggml_tensor* tensor) {
  while (tensor->view_src != nullptr) tensor = tensor->view_src;
  return tensor;
}

// llama.cpp asks this of every node that it is about to compute; "no" keeps it from waiting for results.
bool collect_weights(ggml_tensor* node, bool ask, void* target) {
  if (!ask) return true;
  auto& found = *static_cast<Tensors*>(target);
  for (ggml_tensor* source : node->src) {
    if (source == nullptr) continue;
    ggml_tensor* owner = owner_of(source);
    if (owner->buffer == nullptr || owner->op != GGML_OP_NONE) continue;
    if (ggml_backend_buffer_get_usage(owner->buffer) != GGML_BACKEND_BUFFER_USAGE_WEIGHTS) continue;
    std::vector<ggml_tensor*>& same_name = found[ggml_get_name(owner)];
    if (std::ranges::find(same_name, owner) == same_name.end()) same_name.push_back(owner);
  }
  return false;
}

}  // namespace

ModelWeights::ModelWeights(const LoadedModel& model, int context) {
  constexpr int32_t kTokens = 2;
  FQ_CHECK(!model.is_repacked() && !model.is_mapped() && context >= kTokens);
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<uint32_t>(context);
  params.n_batch = kTokens;
  params.n_ubatch = kTokens;
  params.n_threads = 1;
  params.n_threads_batch = 1;
  params.cb_eval = collect_weights;
  params.cb_eval_user_data = &tensors_;
  LlamaLog log;
  CrashGuard guard(model.path(), "running two tokens through it");
  ContextHandle probe(llama_init_from_model(model.get(), params));
  if (probe == nullptr)
    throw Error("{}", llama_failure(model.path(), "llama.cpp cannot run this model", log));
  llama_token tokens[kTokens] = {0, 0};
  int result = llama_decode(probe.get(), llama_batch_get_one(tokens, kTokens));
  if (result != 0)
    throw Error("{}", llama_failure(model.path(), fmt::format("llama_decode failed ({})", result), log));
}

std::vector<std::string> ModelWeights::names() const {
  std::vector<std::string> names;
  for (const auto& [name, tensors] : tensors_) names.push_back(name);
  return names;
}

const std::vector<ggml_tensor*>& ModelWeights::at(const std::string& name) const {
  auto found = tensors_.find(name);
  FQ_CHECK(found != tensors_.end());
  return found->second;
}

TensorType ModelWeights::type(const std::string& name) const {
  return static_cast<TensorType>(at(name).front()->type);
}

size_t ModelWeights::bytes(const std::string& name) const {
  return ggml_nbytes(at(name).front());
}

void ModelWeights::read(const std::string& name, std::span<std::byte> bytes) const {
  const ggml_tensor* tensor = at(name).front();
  FQ_CHECK(bytes.size() == ggml_nbytes(tensor));
  ggml_backend_tensor_get(tensor, bytes.data(), 0, bytes.size());
}

bool ModelWeights::holds(const std::string& name, size_t offset, std::span<const std::byte> bytes) const {
  FQ_CHECK(offset <= this->bytes(name) && bytes.size() <= this->bytes(name) - offset);
  std::vector<std::byte> held(bytes.size());
  return std::ranges::all_of(at(name), [&](const ggml_tensor* tensor) {
    ggml_backend_tensor_get(tensor, held.data(), offset, held.size());
    return std::ranges::equal(held, bytes);
  });
}

void ModelWeights::exchange(const std::string& name, std::span<std::byte> bytes) {
  const std::vector<ggml_tensor*>& tensors = at(name);
  FQ_CHECK(bytes.size() == ggml_nbytes(tensors.front()));
  constexpr size_t kRun = size_t{1} << 20;
  std::vector<std::byte> before(std::min(kRun, bytes.size()));
  for (size_t offset = 0; offset < bytes.size(); offset += kRun) {
    std::span<std::byte> run = bytes.subspan(offset, std::min(kRun, bytes.size() - offset));
    ggml_backend_tensor_get(tensors.front(), before.data(), offset, run.size());
    for (ggml_tensor* tensor : tensors) ggml_backend_tensor_set(tensor, run.data(), offset, run.size());
    std::memcpy(run.data(), before.data(), run.size());
  }
}

}  // namespace fakequant
