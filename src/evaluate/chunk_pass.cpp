#include "evaluate/chunk_pass.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"

namespace fakequant {

namespace {

// Of what decoders throw, that of the first group of the text. Groups are begun in order, so all before one that
// failed have been begun: which is the first does not depend on the number of decoders.
class FirstFailure {
 public:
  void add(size_t group, std::exception_ptr error) {
    std::lock_guard lock(mutex_);
    if (error_ != nullptr && group_ < group) return;
    group_ = group;
    error_ = std::move(error);
  }
  void rethrow() const {
    if (error_ != nullptr) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  size_t group_ = 0;
  std::exception_ptr error_;
};

}  // namespace

size_t scored_tokens(const ChunkDecoder& decoder) {
  return static_cast<size_t>(decoder.context() - decoder.first_position() - 1);
}

void decode_chunks(DecoderList decoders, std::span<const int32_t> tokens, ChunkRange range,
                   const std::function<void(const DecodedChunk&)>& visit) {
  FQ_CHECK(!decoders.empty() && range.first % decoders[0]->group_size() == 0);
  size_t end = range.first + range.count;
  FQ_CHECK(end * static_cast<size_t>(decoders[0]->context()) <= tokens.size());
  std::atomic<size_t> next{range.first};
  FirstFailure failure;
  // As many loops as decoders, not one call for each group: groups are then finished nearly in order.
  parallel_for(decoders.size(), [&](size_t worker) {
    ChunkDecoder& decoder = *decoders[worker];
    auto context = static_cast<size_t>(decoder.context());
    auto first_label = static_cast<size_t>(decoder.first_position()) + 1;
    size_t label_count = scored_tokens(decoder);
    for (size_t group = next.fetch_add(decoder.group_size()); group < end;
         group = next.fetch_add(decoder.group_size())) {
      size_t count = std::min(decoder.group_size(), end - group);
      try {
        decoder.decode(tokens.subspan(group * context, count * context),
                       [&](size_t index, std::span<const float> logits) {
                         std::span<const int32_t> labels =
                             tokens.subspan((group + index) * context + first_label, label_count);
                         visit({group + index, labels, logits, logits.size() / (label_count + 1)});
                       });
      } catch (...) {
        next = end;
        failure.add(group, std::current_exception());
      }
    }
  });
  failure.rethrow();
}

}  // namespace fakequant
