#pragma once
// Measures what each of several formats would do to the tensors of a model, by role, so that formats can be weighed
// before anything is evaluated. Writes no file, prints nothing.

#include <span>
#include <string>
#include <vector>

#include "analysis/difference.h"
#include "base/progress.h"
#include "formats/block_format.h"
#include "gguf/shards.h"
#include "tensors/importance.h"

namespace fakequant {

// A tensor that a format was not measured on.
struct LeftOut {
  size_t tensor_index;  // into Model::tensors()
  std::string reason;
};

// One format on one group of tensors. Bits are exact sums.
struct ProfileCell {
  size_t measured_tensors = 0;
  Difference difference;               // over the measured tensors, rounded values against those of the file
  BitsPerWeight bits{0, 0};            // of the measured tensors in the format
  BitsPerWeight requested_bits{0, 0};  // of all tensors in the format, also those it does not fit
  BitsPerWeight achieved_bits{0, 0};   // of the measured tensors in the format, of the others in the file
  std::vector<LeftOut> left_out;       // ascending index
};

struct ProfileRole {
  std::string name;             // role_of
  std::vector<size_t> tensors;  // ascending index
  uint64_t weights = 0;
};

struct FormatProfile {
  Format format;
  std::vector<ProfileCell> cells;  // one per role
  ProfileCell total;               // over all tensors
};

struct Profile {
  std::vector<ProfileRole> roles;      // in order of first appearance
  std::vector<FormatProfile> formats;  // as given
  std::vector<size_t>
      without_importance;  // tensors that a given matrix has no entry for, though a format would use it
};

// Why `format` cannot be measured on the tensors (of these indices) that do not take it, known before any value is
// read: shape, storage type, missing importance.
std::vector<LeftOut> unfit_tensors(const Model& model, std::span<const size_t> tensors, const Format& format,
                                   const ImportanceMatrix& importance);

// Rounds every tensor to every format and measures. A pair that does not fit, or whose values the format refuses (NaN
// in a ggml type), is left out and listed; a tensor is measured whole or not at all.
//
//   tensors     ascending indices into Model::tensors()
//   seed        of stochastic rounding: the same draws as in a rewrite with this seed
//   difference  of each tensor bit for bit what rewrite measures when its storage is exact, and merged in the order of
//               tensors
//
// Formats that cut a tensor alike share one reading of it; one more goes before it for each whose scales take the range
// of the whole tensor. Memory does not depend on the model's size; results do not depend on the number of threads.
// Throws Error for a file that cannot be read.
Profile profile_formats(const Model& model, std::span<const size_t> tensors, std::span<const Format> formats,
                        const ImportanceMatrix& importance, uint64_t seed, Progress::Mode mode);

}  // namespace fakequant
