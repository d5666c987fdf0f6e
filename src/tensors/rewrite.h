#pragma once
// Carries out a plan: a copy of the model's file or files in which the planned tensors hold rounded values,
// and the differences, measured on the way. Prints nothing.

#include <optional>
#include <string>
#include <vector>

#include "gguf/writer.h"
#include "tensors/storage.h"
#include "tensors/stored_tensor.h"

namespace fakequant {

struct RewriteOptions {
  double epsilon = kDefaultEpsilon;
  bool force = false;                       // replace an existing output
  bool sync = true;                         // on disk before the rename
  bool stamp = false;                       // add fakequant.* metadata
  std::optional<uint64_t> stamp_seed = {};  // what stochastic rounding drew from, for the stamp
  std::vector<std::string> inputs =
      {};  // files that no output may replace; the model's own are among them anyway
  Progress::Mode progress = Progress::Mode::automatic;
};

// What will be written where, before anything is.
struct RewritePlan {
  std::vector<TensorType> types;     // of every tensor of the model
  std::vector<std::string> outputs;  // one per shard
  std::vector<FileLayout> layouts;   // one per shard
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
};

// Decides storage and layout. Stores auto and narrow read and round every planned tensor. Throws Error for
// names of outputs that do not fit the number of parts, and as decide_storage and plan_layout do.
RewritePlan plan_rewrite(const Model& model, const Plan& plan, PlannedRounders& rounders,
                         const std::string& output, const RewriteOptions& options);

struct RewriteResult {
  std::vector<TensorResult> tensors;  // as the plan orders them
  Difference total;                   // over all of them
};

// Writes the outputs, each whole or not at all; of a split model the first part, which a loader opens,
// appears last.
//
//   throws   Error, nothing left behind: an output that check_output refuses; a quantized storage type that
//            cannot hold the rounded values (naming the tensor and --store auto); a format that meets NaN;
//            the disk
//
// The input files are only read. Outputs and differences do not depend on the number of threads.
RewriteResult rewrite(const Model& model, const Plan& plan, PlannedRounders& rounders,
                      const RewritePlan& layout, const RewriteOptions& options);

}  // namespace fakequant
