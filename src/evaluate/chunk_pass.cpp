#include "evaluate/chunk_pass.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/parallel.h"

namespace fakequant {

size_t scored_tokens(const ChunkDecoder& decoder) {
  return static_cast<size_t>(decoder.context() - decoder.first_position() - 1);
}

void decode_chunks(DecoderList decoders, std::span<const int32_t> tokens, ChunkRange range,
                   const std::function<void(const DecodedChunk&)>& visit) {
  FQ_CHECK(!decoders.empty() && range.first % decoders[0]->group_size() == 0);
  size_t end = range.first + range.count;
  FQ_CHECK(end * static_cast<size_t>(decoders[0]->context()) <= tokens.size());
  std::atomic<size_t> next{range.first};
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
        throw;
      }
    }
  });
}

}  // namespace fakequant
