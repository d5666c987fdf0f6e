#include "evaluate/logits_file.h"

#include <cmath>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/simd.h"
#include "base/text.h"

namespace fakequant {

namespace {

constexpr char kMagic[] = {'_', 'l', 'o', 'g', 'i', 't', 's', '_'};
constexpr size_t kHeaderBytes = sizeof kMagic + 3 * sizeof(int32_t);
constexpr float kMostLogProbability = 1e-3F;  // 0 and what rounding may add
constexpr float kFloor = -16;                 // nats; what llama-perplexity does not look at

// Codes of a row begin behind its step and its least log-probability, two F32.
constexpr size_t kRowHeadBytes = 2 * sizeof(float);

size_t row_bytes(size_t vocabulary_size) {
  return kRowHeadBytes + (vocabulary_size + vocabulary_size % 2) * sizeof(uint16_t);
}

uint64_t tokens_end(uint64_t context, uint64_t chunk_count) {
  return kHeaderBytes + context * chunk_count * sizeof(int32_t);
}

template <typename T>
T field(std::span<const std::byte> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

FQ_VECTORIZED void decode_codes(const std::byte* codes, float step, float least, std::span<float> row) {
  for (size_t i = 0; i < row.size(); ++i) {
    uint16_t code;
    std::memcpy(&code, codes + i * sizeof code, sizeof code);
    row[i] = step * static_cast<float>(code) + least;
  }
}

}  // namespace

LogitsFile::LogitsFile(const std::string& path) : file_(path) {
  std::span<const std::byte> bytes = file_.bytes();
  std::string name = printable(path);
  if (bytes.size() < sizeof kMagic || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) {
    throw Error(
        "{}: found no '_logits_' at its begin, wanted a file that llama-perplexity --kl-divergence-base "
        "wrote",
        name);
  }
  if (bytes.size() < kHeaderBytes)
    throw Error("{}: found {} bytes, wanted {} for the header of a logits file", name, bytes.size(),
                kHeaderBytes);
  auto context = field<uint32_t>(bytes, sizeof kMagic);
  auto vocabulary = field<int32_t>(bytes, sizeof kMagic + 4);
  auto chunks = field<int32_t>(bytes, sizeof kMagic + 8);
  constexpr uint32_t kLeastContext = 3;  // of which one token is scored
  constexpr uint32_t kMostContext = uint32_t{1} << 30;
  if (context < kLeastContext || context > kMostContext || vocabulary < 1 || chunks < 1) {
    throw Error(
        "{}: found a header with a context of {}, {} tokens in the vocabulary and {} chunks, wanted at least "
        "{}, 1 and 1",
        name, context, vocabulary, chunks, kLeastContext);
  }
  context_ = static_cast<int>(context);
  vocabulary_size_ = static_cast<size_t>(vocabulary);
  chunk_count_ = static_cast<size_t>(chunks);
  check_size();
  read_tokens();
}

// Every product fits 64 bits: tokens 2^30 x 2^31 x 4, a chunk's rows 2^29 x 2^33. All chunks' rows are compared by division.
void LogitsFile::check_size() const {
  uint64_t size = file_.bytes().size();
  uint64_t rows_start = tokens_end(static_cast<uint64_t>(context_), chunk_count_);
  uint64_t chunk_bytes = scored_per_chunk() * row_bytes(vocabulary_size_);
  bool fits = rows_start <= size && (size - rows_start) / chunk_bytes == chunk_count_ &&
              (size - rows_start) % chunk_bytes == 0;
  if (fits) return;
  throw Error(
      "{}: found {} bytes, wanted {:.0f} for {} of {} tokens with a vocabulary of {}: the file is incomplete "
      "or was not "
      "written by llama-perplexity --kl-divergence-base",
      printable(path()), size,
      static_cast<double>(rows_start) + static_cast<double>(chunk_bytes) * static_cast<double>(chunk_count_),
      counted(chunk_count_, "chunk"), context_, format_count(vocabulary_size_));
}

void LogitsFile::read_tokens() {
  tokens_.resize(chunk_count_ * static_cast<size_t>(context_));
  file_.read(kHeaderBytes, std::as_writable_bytes(std::span(tokens_)));
  for (size_t i = 0; i < tokens_.size(); ++i) {
    if (static_cast<size_t>(tokens_[i]) < vocabulary_size_) continue;  // a negative one is a huge one
    throw Error("{}: found {} as token {}, wanted one of a vocabulary of {}", printable(path()), tokens_[i],
                i, format_count(vocabulary_size_));
  }
}

bool LogitsFile::looks_like_one(const std::string& path) {
  char begin[sizeof kMagic] = {};
  std::ifstream file(path, std::ios::binary);
  file.read(begin, sizeof begin);
  return file.gcount() == sizeof begin && std::memcmp(begin, kMagic, sizeof kMagic) == 0;
}

void LogitsFile::read_rows(size_t chunk_index, size_t first_row, std::span<float> rows) const {
  size_t count = rows.size() / vocabulary_size_;
  FQ_CHECK(chunk_index < chunk_count_ && rows.size() % vocabulary_size_ == 0);
  FQ_CHECK(first_row <= scored_per_chunk() && count <= scored_per_chunk() - first_row);
  size_t bytes = row_bytes(vocabulary_size_);
  std::vector<std::byte> encoded(bytes);
  uint64_t start = tokens_end(static_cast<uint64_t>(context_), chunk_count_) +
                   (chunk_index * scored_per_chunk() + first_row) * bytes;
  for (size_t i = 0; i < count; ++i) {
    file_.read(start + i * bytes, encoded);
    auto step = field<float>(encoded, 0);
    auto least = field<float>(encoded, sizeof step);
    std::span<float> row = rows.subspan(i * vocabulary_size_, vocabulary_size_);
    decode_codes(encoded.data() + kRowHeadBytes, step, least, row);
    float largest = largest_of(row);
    if (step >= 0 && std::isfinite(step) && std::isfinite(least) && largest < kMostLogProbability) continue;
    throw Error(
        "{}: chunk {}, position {}: found log-probabilities from {} to {}, wanted finite ones of at most 0",
        printable(path()), chunk_index + 1, static_cast<size_t>(context_ / 2) + first_row + i, least,
        largest);
  }
}

BaselineRow LogitsFile::baseline_row(std::span<const float> row) {
  return {row, LogNormalizer{}, kFloor};
}

std::string LogitsFile::clipping() {
  return "the file holds log-probabilities in 16 bits, none more than 16 nats below its row's largest: what "
         "is less likely than "
         "exp(-16) carries no weight in KL divergence, and PPL(base) and its ratios are of the clipped "
         "probabilities";
}

}  // namespace fakequant
