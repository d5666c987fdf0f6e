#include "tensors/compare.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/parallel.h"
#include "base/text.h"
#include "engine/codec.h"
#include "select/roles.h"
#include "tensors/tensor_pass.h"

namespace fakequant {

namespace {

// A few per thousand of a big tensor say as much about its distribution as all of it, and sorting and
// counting cost more than all other measures together.
constexpr int64_t kSampleValues = 8192;
constexpr int64_t kHistogramValues = int64_t{1} << 18;
constexpr int64_t kHistogramRun = 1024;  // sampled together

// Both tensors cut at the same values.
struct PairedPieces {
  std::vector<Piece> a;
  std::vector<Piece> b;
};

PairedPieces paired_pieces(const TensorInfo& a, const TensorInfo& b) {
  int64_t unit = std::lcm<int64_t>(facts_of(a.type).block_values, facts_of(b.type).block_values);
  return {pieces_of(a, unit), pieces_of(b, unit)};
}

// A place in [0, width) of stretch `index`: pseudo-random, so that a sample keeps no step with the rows, and
// the same in every run (the finalizer of SplitMix64, Steele et al. 2014).
int64_t place_in_stretch(int64_t index, int64_t width) {
  auto bits = static_cast<uint64_t>(index) + 0x9E3779B97F4A7C15u;
  bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9u;
  bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBu;
  bits ^= bits >> 31;
  return static_cast<int64_t>(bits % static_cast<uint64_t>(width));
}

// Takes one value of each stretch of `stride` values, where it lies in this piece.
void take_sample(const Piece& piece, std::span<const float> values, int64_t stride, int64_t value_count,
                 std::vector<float>& sample) {
  int64_t end = piece.first_value + piece.value_count;
  for (int64_t stretch = piece.first_value / stride; stretch * stride < end; ++stretch) {
    int64_t width = std::min(stride, value_count - stretch * stride);
    int64_t index = stretch * stride + place_in_stretch(stretch, width);
    if (index < piece.first_value || index >= end) continue;
    sample[static_cast<size_t>(stretch)] = values[static_cast<size_t>(index - piece.first_value)];
  }
}

// What is gathered over the pieces of a pair; exact counts merge in any order, so there is one set of
// histograms per thread.
struct Gathered {
  std::vector<PairHistograms>& threads;
  int64_t stride;          // one value of each stretch of this many is in the samples
  int64_t histogram_step;  // one run of each stretch of this many runs is in the histograms
  std::vector<float> sample_a;
  std::vector<float> sample_b;
  std::atomic<bool> same_bytes = true;
};

void add_to_histograms(const Piece& piece, std::span<const float> values_a, std::span<const float> values_b,
                       Gathered& gathered) {
  PairHistograms& mine = gathered.threads[thread_slot()];
  int64_t end = piece.first_value + piece.value_count;
  for (int64_t first = piece.first_value; first < end;) {
    int64_t run = first / kHistogramRun;
    int64_t run_end = std::min(end, (run + 1) * kHistogramRun);
    int64_t stretch = run / gathered.histogram_step;
    if (run % gathered.histogram_step == place_in_stretch(stretch, gathered.histogram_step)) {
      auto offset = static_cast<size_t>(first - piece.first_value);
      auto count = static_cast<size_t>(run_end - first);
      mine.a.add(values_a.subspan(offset, count));
      mine.b.add(values_b.subspan(offset, count));
      mine.differences.add_abs_differences(values_a.subspan(offset, count), values_b.subspan(offset, count));
    }
    first = run_end;
  }
}

Difference compare_piece(const TensorView& a, const Piece& piece_a, const TensorView& b, const Piece& piece_b,
                         double epsilon, Scratch& scratch, Gathered& gathered) {
  std::span<const std::byte> bytes_a = fetch(a, piece_a, scratch.raw);
  std::span<const std::byte> bytes_b = fetch(b, piece_b, scratch.other_raw);
  bool same =
      a.info->type == b.info->type && std::memcmp(bytes_a.data(), bytes_b.data(), bytes_a.size()) == 0;
  if (!same) gathered.same_bytes = false;
  std::span<const float> values_a = decode_piece(a, bytes_a, piece_a, scratch.original);
  std::span<const float> values_b = same ? values_a : decode_piece(b, bytes_b, piece_b, scratch.rounded);
  add_to_histograms(piece_a, values_a, values_b, gathered);
  take_sample(piece_a, values_a, gathered.stride, a.info->value_count, gathered.sample_a);
  take_sample(piece_a, values_b, gathered.stride, a.info->value_count, gathered.sample_b);
  return measure_difference(values_a, values_b, epsilon, static_cast<uint64_t>(piece_a.first_value));
}

// Sorted later, many tensors at once, so that all threads have work.
struct PendingDistance {
  size_t index;  // into Comparison::tensors
  std::vector<float> sample_a;
  std::vector<float> sample_b;
};

void finish_distances(std::vector<PendingDistance>& pending, std::vector<TensorComparison>& tensors) {
  parallel_for(pending.size(), [&](size_t i) {
    PendingDistance& distance = pending[i];
    tensors[distance.index].wasserstein1 =
        wasserstein1(std::move(distance.sample_a), std::move(distance.sample_b));
  });
  pending.clear();
}

PendingDistance compare_values(const TensorView& a, const TensorView& b, const CompareOptions& options,
                               std::vector<PairHistograms>& threads, Comparison& result, Progress& progress) {
  TensorComparison& tensor = result.tensors.back();
  PairedPieces pieces = paired_pieces(*a.info, *b.info);
  std::vector<Difference> parts(pieces.a.size());
  int64_t count = a.info->value_count;
  int64_t stride = std::max<int64_t>(1, (count + kSampleValues - 1) / kSampleValues);
  auto samples = static_cast<size_t>((count + stride - 1) / stride);
  Gathered gathered{threads, stride, std::max<int64_t>(1, count / kHistogramValues),
                    std::vector<float>(samples), std::vector<float>(samples)};
  for_each_piece(pieces.a, [&](size_t index, Scratch& scratch) {
    parts[index] = compare_piece(a, pieces.a[index], b, pieces.b[index], options.epsilon, scratch, gathered);
    progress.advance(pieces.a[index].byte_count + pieces.b[index].byte_count);
  });
  for (const Difference& part : parts) tensor.difference.merge(part);
  PairHistograms histograms;
  for (PairHistograms& thread : threads) {
    histograms.merge(thread);
    thread = {};
  }
  if (tensor.difference.changed_count > 0) result.changed_histograms.merge(histograms);
  tensor.same_bytes = gathered.same_bytes;
  tensor.histogram_values = histograms.a.total();
  if (options.keep_histograms) {
    constexpr size_t kMostBins = 64;
    tensor.values_a = histograms.a.coarse_bins(kMostBins);
    tensor.values_b = histograms.b.coarse_bins(kMostBins);
    tensor.differences = histograms.differences.coarse_bins(kMostBins);
  }
  tensor.histogram_kl_nats = kl_divergence_nats(histograms.a, histograms.b);
  tensor.wasserstein1_samples = samples;
  return {result.tensors.size() - 1, std::move(gathered.sample_a), std::move(gathered.sample_b)};
}

std::string why_incomparable(const TensorInfo& a, const TensorInfo& b) {
  if (a.shape != b.shape)
    return fmt::format("shapes differ: {} and {}", fmt::join(a.shape, " x "), fmt::join(b.shape, " x "));
  for (const TensorInfo* info : {&a, &b}) {
    if (!can_decode(info->type)) return fmt::format("values of type {} cannot be read", name_of(info->type));
  }
  return "";
}

// The pairs of all shards; llama.cpp keeps those of the model in the first.
std::map<std::string, const MetadataEntry*> metadata_of(const Model& model) {
  std::map<std::string, const MetadataEntry*> pairs;
  for (const GgufFile& shard : model.shards()) {
    for (const MetadataEntry& entry : shard.metadata()) pairs.emplace(entry.key, &entry);
  }
  return pairs;
}

bool same_value(const MetadataEntry& a, const MetadataEntry& b) {
  return a.type == b.type && a.element_type == b.element_type && a.element_count == b.element_count &&
         std::equal(a.value.begin(), a.value.end(), b.value.begin(), b.value.end());
}

std::vector<MetadataDifference> metadata_differences(const Model& a, const Model& b) {
  std::vector<MetadataDifference> differences;
  std::map<std::string, const MetadataEntry*> pairs_a = metadata_of(a);
  std::map<std::string, const MetadataEntry*> pairs_b = metadata_of(b);
  for (const auto& [key, entry] : pairs_a) {
    auto other = pairs_b.find(key);
    if (other == pairs_b.end()) {
      differences.push_back({key, display_value(*entry), ""});
    } else if (!same_value(*entry, *other->second)) {
      std::string shown_a = display_value(*entry);
      std::string shown_b = display_value(*other->second);
      if (shown_a == shown_b) shown_b += " (differs further on, or in type)";
      differences.push_back({key, shown_a, shown_b});
    }
  }
  for (const auto& [key, entry] : pairs_b) {
    if (!pairs_a.contains(key)) differences.push_back({key, "", display_value(*entry)});
  }
  return differences;
}

struct Pair {
  size_t a;
  size_t b;
};

std::vector<Pair> pair_tensors(const Model& a, const Model& b, std::optional<int> layer, Comparison& result) {
  std::map<std::string_view, size_t> places;
  for (size_t i = 0; i < b.tensors().size(); ++i) places.emplace(b.tensors()[i].info->name, i);
  auto wanted = [&](const std::string& name) { return !layer || layer_of(name) == layer; };
  std::vector<Pair> pairs;
  for (size_t i = 0; i < a.tensors().size(); ++i) {
    const std::string& name = a.tensors()[i].info->name;
    if (!wanted(name)) continue;
    auto place = places.find(name);
    if (place == places.end()) {
      result.only_in_a.push_back(name);
    } else {
      pairs.push_back({i, place->second});
    }
  }
  for (const Model::Located& tensor : b.tensors()) {
    if (wanted(tensor.info->name) && a.find(tensor.info->name) == nullptr)
      result.only_in_b.push_back(tensor.info->name);
  }
  return pairs;
}

}  // namespace

void PairHistograms::merge(const PairHistograms& other) {
  a.merge(other.a);
  b.merge(other.b);
  differences.merge(other.differences);
}

Comparison compare(const Model& a, const Model& b, const CompareOptions& options) {
  Comparison result;
  result.metadata = metadata_differences(a, b);
  std::vector<Pair> pairs = pair_tensors(a, b, options.layer, result);
  if (options.layer && pairs.empty()) {
    throw Error("layer {}: {} and {} have no tensor of it in common", *options.layer, a.path(), b.path());
  }
  uint64_t work = 0;
  for (const Pair& pair : pairs)
    work += a.tensors()[pair.a].info->data_bytes + b.tensors()[pair.b].info->data_bytes;
  Progress progress("compare", work, options.progress);
  std::vector<PairHistograms> threads(max_thread_slots());
  constexpr size_t kDistancesAtOnce = 64;
  std::vector<PendingDistance> pending;
  result.tensors.reserve(pairs.size());
  for (const Pair& pair : pairs) {
    TensorView view_a = view_of(a, pair.a);
    TensorView view_b = view_of(b, pair.b);
    TensorComparison& tensor = result.tensors.emplace_back();
    tensor.a = view_a.info;
    tensor.b = view_b.info;
    tensor.incomparable = why_incomparable(*view_a.info, *view_b.info);
    if (!tensor.incomparable.empty()) continue;
    pending.push_back(compare_values(view_a, view_b, options, threads, result, progress));
    result.total.merge(tensor.difference);
    if (pending.size() == kDistancesAtOnce) finish_distances(pending, result.tensors);
  }
  finish_distances(pending, result.tensors);
  return result;
}

}  // namespace fakequant
