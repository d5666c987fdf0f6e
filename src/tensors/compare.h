#pragma once
// The numerical difference of two models, tensor by tensor, and of their metadata. Prints nothing.

#include <optional>
#include <string>
#include <vector>

#include "analysis/difference.h"
#include "analysis/histogram.h"
#include "base/progress.h"
#include "gguf/shards.h"

namespace fakequant {

struct TensorComparison {
  const TensorInfo* a;
  const TensorInfo* b;
  std::string incomparable;  // why values were not compared (shapes differ, an internal type), or ""
  bool same_bytes = false;
  Difference difference;          // b against a
  uint64_t histogram_values = 0;  // in the histograms: all up to 2^18, else a sample of about that many
  // At most 64 bins each, and only with CompareOptions::keep_histograms: of a big model they are many.
  std::vector<HistogramBin> values_a;
  std::vector<HistogramBin> values_b;
  std::vector<HistogramBin> differences;  // of |a - b|
  double wasserstein1 = 0;                // between the values of a and of b, in the tensor's own unit
  uint64_t wasserstein1_samples = 0;      // all values up to 8,192, else a sample of about that many
  double histogram_kl_nats = 0;           // KL(a || b) of the two value histograms
};

struct MetadataDifference {
  std::string key;
  std::string a;  // value as a person reads it; "" when the key is only in b
  std::string b;
};

// Value histograms of a pair, and of the differences.
struct PairHistograms {
  Histogram a;
  Histogram b;
  Histogram differences;

  void merge(const PairHistograms& other);
};

struct Comparison {
  std::vector<TensorComparison> tensors;  // in the order of a
  Difference total;                       // over all comparable tensors
  PairHistograms changed_histograms;      // over those whose values differ
  std::vector<std::string> only_in_a;
  std::vector<std::string> only_in_b;
  std::vector<MetadataDifference> metadata;
};

struct CompareOptions {
  double epsilon = kDefaultEpsilon;
  std::optional<int> layer = {};  // only blk.N. tensors of this layer
  bool keep_histograms = false;
  Progress::Mode progress = Progress::Mode::automatic;
};

// Compares by name. Values of different storage types are compared as values. Results do not depend on the
// number of threads. Samples take one value (or run of values) at a fixed pseudo-random place of each of
// equally long stretches, so that they keep no step with the rows.
Comparison compare(const Model& a, const Model& b, const CompareOptions& options);

}  // namespace fakequant
