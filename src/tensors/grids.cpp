#include "tensors/grids.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>

#include "analysis/scale_fit.h"
#include "base/text.h"
#include "engine/codec.h"
#include "formats/catalog.h"
#include "tensors/grid_passes.h"

namespace fakequant {

namespace {

constexpr int64_t kShortest = 16;  // any value alone is a code times a scale: fewer say nothing
constexpr int64_t kLongestRow = int64_t{1} << 20;       // one that is in memory as a whole
constexpr int64_t kLongestTiledRow = int64_t{1} << 15;  // 128 of them are in memory at once

// Which values share a scale: so many columns of so many rows.
struct Extent {
  int64_t columns;
  int64_t rows;

  bool covers(const Extent& other) const { return columns % other.columns == 0 && rows >= other.rows; }
};

// One format to try.
struct Candidate {
  GridFinding finding;
  Extent extent;
  int code_bits;
  std::shared_ptr<const CodeLevels> levels;  // null for ggml types that only ggml can try
  enum class Kind {
    scaled,    // scalars, integers, nf4
    standard,  // MX and NVFP4, worth naming beside scaled ones
    ggml,
  } kind;
  std::function<bool(const Subject&)> holds;
};

// Whether `found` says all that `other` could, and more.
bool makes_superfluous(const Candidate& found, const Candidate& other) {
  if (found.levels == nullptr || other.levels == nullptr) return false;
  if (other.kind == Candidate::Kind::ggml && found.kind != Candidate::Kind::ggml) return false;
  if (!found.extent.covers(other.extent) || found.code_bits > other.code_bits) return false;
  if (other.kind == Candidate::Kind::standard && found.kind != Candidate::Kind::standard)
    return found.code_bits < other.code_bits;
  return found.finding.bits_per_weight < other.finding.bits_per_weight || found.levels->within(*other.levels);
}

class CandidateList {
 public:
  explicit CandidateList(const TensorInfo& info) : info_(info) {
    add_scalars();
    add_scaled_floats();
    add_integers();
    add_level_tables();
    add_power_of_two_blocks();
    add_two_level_blocks();
    add_ggml_types();
    std::stable_sort(all_.begin(), all_.end(), [](const Candidate& a, const Candidate& b) {
      return a.finding.bits_per_weight < b.finding.bits_per_weight;
    });
  }

  const std::vector<Candidate>& all() const { return all_; }

 private:
  struct Sharing {
    std::string spelling;
    std::string words;
    ScaleExtent extent;
    int64_t values;  // along the row; 0 for the tensor
  };

  Extent whole() const { return {info_.row_length, info_.row_count}; }

  std::vector<Sharing> sharings(std::initializer_list<int64_t> groups) const {
    std::vector<Sharing> result;
    if (info_.value_count >= kShortest) result.push_back({"tensor", "per tensor", ScaleExtent::tensor, 0});
    if (info_.row_length >= kShortest && info_.row_length <= kLongestRow)
      result.push_back({"row", "per row", ScaleExtent::row, info_.row_length});
    for (int64_t group : groups) {
      if (group < info_.row_length && info_.row_length % group == 0)
        result.push_back(
            {fmt::format("group={}", group), fmt::format("per {}", group), ScaleExtent::group, group});
    }
    return result;
  }

  void add(const BlockFormat& format, const std::string& name, const std::string& codes,
           const std::string& scales, const Extent& extent, std::shared_ptr<const CodeLevels> levels,
           std::function<bool(const Subject&)> holds) {
    const double bits = stored_bits({name, format}, info_.row_length, info_.value_count).value();
    all_.push_back({{name, codes, scales, bits},
                    extent,
                    code_bits(format.grid),
                    std::move(levels),
                    format.has_standard_scale() ? Candidate::Kind::standard : Candidate::Kind::scaled,
                    std::move(holds)});
  }

  // One grid with some F32 scale, for each way to share it. `suffix` ends the name.
  void add_scaled(BlockFormat format, const std::string& codes, const std::string& suffix,
                  const std::shared_ptr<const CodeLevels>& levels, const std::vector<Sharing>& ways) {
    auto scaled = std::make_shared<const ScaledLevels>(*levels, kF32);
    const std::string base = catalog_name(format);
    for (const Sharing& way : ways) {
      format.extent = way.extent;
      format.group_values = way.extent == ScaleExtent::group ? way.values : 0;
      const bool is_default = std::holds_alternative<LevelGrid>(format.grid) && way.spelling == "group=64";
      add(format, is_default ? base : fmt::format("{}:{}{}", base, way.spelling, suffix), codes,
          "F32 scale " + way.words, way.values == 0 ? whole() : Extent{way.values, 1}, levels,
          [levels, scaled, values = way.values](const Subject& subject) {
            if (values == 0) return one_scale_holds(subject, *levels);
            return blocks_hold(subject, values,
                               [&](std::span<const float> block, std::vector<float>& scratch) {
                                 return scaled->hold(subject.storage, block, scratch);
                               });
          });
    }
  }

  void add_scalars() {
    for (const FloatGrid& grid : {kE2M1, kE2M3, kE3M2, kE4M3, kE5M2, kE4M3Fnuz, kE5M2Fnuz}) {
      BlockFormat format{.grid = grid};
      const std::string name = catalog_name(format);
      add(format, name, name, "no scale", whole(), std::make_shared<const CodeLevels>(CodeLevels::of(format)),
          [grid](const Subject& subject) { return subject.facts.needs.fit(grid); });
    }
  }

  void add_scaled_floats() {
    for (const FloatGrid& grid : {kE2M1, kE2M3, kE3M2, kE4M3, kE5M2, kE4M3Fnuz}) {
      BlockFormat format{.grid = grid};
      auto levels = std::make_shared<const CodeLevels>(CodeLevels::of(format));
      add_scaled(format, catalog_name(format), "", levels, sharings({128, 64, 32, 16}));
      if (grid == kE4M3) add_tiles(levels);
    }
  }

  void add_tiles(const std::shared_ptr<const CodeLevels>& levels) {
    if (info_.row_length % kTile != 0 || info_.row_length > kLongestTiledRow || info_.shape.size() < 2)
      return;
    const int64_t matrix_rows = info_.shape[1];
    const int64_t tiles =
        info_.row_length / kTile * ((matrix_rows + kTile - 1) / kTile) * (info_.row_count / matrix_rows);
    auto scaled = std::make_shared<const ScaledLevels>(*levels, kF32);
    const double bits = 8 + 32.0 * static_cast<double>(tiles) / static_cast<double>(info_.value_count);
    const char* scales = "F32 scale per tile of 128 x 128";
    all_.push_back({{fmt::format("e4m3, {}", scales), "e4m3", scales, bits},
                    {kTile, std::min(kTile, matrix_rows)},
                    8,
                    levels,
                    Candidate::Kind::scaled,
                    [scaled](const Subject& subject) { return tiles_hold(subject, *scaled); }});
  }

  void add_integers() {
    const std::vector<Sharing> ways = sharings({128, 64, 32});
    for (int bits = 2; bits <= 8; ++bits) {
      for (IntegerScheme scheme : {IntegerScheme::restricted, IntegerScheme::full}) {
        BlockFormat format{.grid = IntegerGrid{bits, scheme}};
        const bool full = scheme == IntegerScheme::full;
        add_scaled(format, fmt::format("int{}{}", bits, full ? " full" : ""), full ? ":full" : ":restricted",
                   std::make_shared<const CodeLevels>(CodeLevels::of(format)), ways);
      }
    }
  }

  void add_level_tables() {
    BlockFormat format{.grid = LevelGrid{LevelTable::nf4}};
    add_scaled(format, catalog_name(format), "", std::make_shared<const CodeLevels>(CodeLevels::of(format)),
               sharings({4096, 2048, 1024, 512, 256, 128, 64, 32}));
  }

  void add_power_of_two_blocks() {
    for (const CatalogEntry& entry : catalog()) {
      const auto* format = std::get_if<BlockFormat>(&entry.format.kind);
      if (format == nullptr || format->scale_type != ScaleType::e8m0) continue;
      const int64_t block = format->group_values;
      if (info_.row_length % block != 0) continue;
      add(*format, entry.name, entry.name, fmt::format("power-of-two scale per {}", block), {block, 1},
          std::make_shared<const CodeLevels>(CodeLevels::of(*format)),
          [format, block](const Subject& subject) {
            return blocks_hold(subject, block, [&](std::span<const float> values, std::vector<float>&) {
              return fit_power_of_two_scale(*format, values);
            });
          });
    }
  }

  void add_two_level_blocks() {
    for (const CatalogEntry& entry : catalog()) {
      const auto* format = std::get_if<BlockFormat>(&entry.format.kind);
      if (format == nullptr || format->scale_type != ScaleType::e4m3_tensor) continue;
      if (info_.row_length % format->group_values != 0) continue;
      add(*format, entry.name, entry.name,
          fmt::format("E4M3 scale per {} and F32 scale per tensor", format->group_values),
          {format->group_values, 1}, std::make_shared<const CodeLevels>(CodeLevels::of(*format)),
          two_levels_hold);
    }
  }

  // What stands in the catalog's line of a ggml type behind its codes.
  static std::string scales_in_words(const CatalogEntry& entry) {
    std::vector<std::string> parts = split(entry.summary, ',');
    auto first = std::find_if(parts.begin(), parts.end(), [](const std::string& part) {
      return part.find("scale") != std::string::npos;
    });
    std::vector<std::string> words;
    for (auto part = first; part != parts.end(); ++part) words.emplace_back(trim(*part));
    return join(words, ", ");
  }

  struct GgmlCodes {
    int bits, lowest, highest;
    bool either_sign;
  };

  static std::optional<GgmlCodes> whole_codes_of(TensorType type) {
    switch (type) {
      case TensorType::Q4_0:
        return GgmlCodes{4, -8, 7, true};
      case TensorType::Q5_0:
        return GgmlCodes{5, -16, 15, true};
      case TensorType::Q8_0:
        return GgmlCodes{8, -127, 127, false};
      default:
        return std::nullopt;
    }
  }

  void add_ggml_types() {
    for (const CatalogEntry& entry : catalog()) {
      const auto* type = std::get_if<TensorType>(&entry.format.kind);
      if (type == nullptr || searches_a_grid(*type) || !misfit(entry.format, info_.row_length).empty())
        continue;
      const int64_t block = facts_of(*type).block_values;
      Candidate candidate{
          {entry.name, entry.name, scales_in_words(entry),
           stored_bits(entry.format, info_.row_length, info_.value_count).value()},
          {block, 1},
          0,
          nullptr,
          Candidate::Kind::ggml,
          [&format = entry.format](const Subject& subject) { return requantizes_exactly(subject, format); }};
      if (auto codes = whole_codes_of(*type)) {
        candidate.code_bits = codes->bits;
        // Of either sign: so that int5, not int4, is what these say more than.
        const int widest = std::max(-codes->lowest, codes->highest);
        candidate.levels = std::make_shared<const CodeLevels>(CodeLevels::whole_numbers(-widest, widest));
        auto scaled = std::make_shared<const ScaledLevels>(
            CodeLevels::whole_numbers(codes->lowest, codes->highest), kF16, codes->either_sign);
        candidate.holds = [scaled, block](const Subject& subject) {
          return blocks_hold(subject, block, [&](std::span<const float> values, std::vector<float>& scratch) {
            return scaled->hold(subject.storage, values, scratch);
          });
        };
      }
      all_.push_back(std::move(candidate));
    }
  }

  const TensorInfo& info_;
  std::vector<Candidate> all_;
};

}  // namespace

std::vector<GridFinding> exact_grids(const TensorView& view, const ValueFacts& facts) {
  const ValueStatistics& s = facts.statistics;
  const bool one_value = facts.distinct_count == 1;
  if (s.count == 0 || s.nan_count > 0 || s.inf_count > 0 || one_value) return {};
  if (s.min() == 0 && s.max() == 0) return {};
  const Subject subject(view, facts);
  CandidateList candidates(*view.info);
  std::vector<const Candidate*> found;
  for (const Candidate& candidate : candidates.all()) {
    bool superfluous = std::any_of(found.begin(), found.end(), [&](const Candidate* other) {
      return makes_superfluous(*other, candidate);
    });
    if (!superfluous && candidate.holds(subject)) found.push_back(&candidate);
  }
  std::vector<GridFinding> findings;
  findings.reserve(found.size());
  for (const Candidate* candidate : found) findings.push_back(candidate->finding);
  return findings;
}

}  // namespace fakequant
