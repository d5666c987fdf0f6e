#include "report/text_groups.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "report/figures.h"

namespace fakequant::report {
namespace {

// Bytes that both texts begin with: as the record says, or as far as it is true.
size_t common_bytes(const TextPair& pair) {
  size_t most = std::min(pair.baseline.size(), pair.variant.size());
  auto mismatch = std::mismatch(
      pair.baseline.begin(), pair.baseline.begin() + static_cast<std::ptrdiff_t>(most), pair.variant.begin());
  size_t equal = static_cast<size_t>(mismatch.first - pair.baseline.begin());
  if (pair.text_bytes) equal = static_cast<size_t>(std::min<uint64_t>(equal, *pair.text_bytes));
  return whole_characters(pair.baseline, equal);
}

bool is_of(const TextGroup& group, const ReportVariant& variant, const TextPair& pair) {
  return group.model == variant.model && group.prompt == pair.prompt &&
         group.temperature == pair.temperature && group.seed == pair.seed;
}

}  // namespace

std::string TextOfVariant::common() const {
  return pair->baseline.substr(0, common_bytes(*pair));
}

std::string TextOfVariant::baseline_rest() const {
  return pair->baseline.substr(common_bytes(*pair));
}

std::string TextOfVariant::variant_rest() const {
  return pair->variant.substr(common_bytes(*pair));
}

std::vector<TextGroup> text_groups(const RunReport& report) {
  std::vector<TextGroup> groups;
  for (const ReportVariant& variant : report.variants) {
    if (!variant.generation) continue;
    for (const TextPair& pair : variant.generation->texts) {
      auto found = std::find_if(groups.begin(), groups.end(),
                                [&](const TextGroup& group) { return is_of(group, variant, pair); });
      if (found == groups.end()) {
        groups.push_back({variant.model, pair.prompt, pair.temperature, pair.seed, pair.baseline, {}});
        found = groups.end() - 1;
      }
      found->variants.push_back({&variant, &pair});
    }
  }
  return groups;
}

std::string parting_words(const TextPair& pair) {
  if (pair.identical) return "the same";
  if (!pair.token_index) return "differs";
  std::string words = fmt::format("parts after {}{}", counted(*pair.token_index, "token"),
                                  pair.near_tie ? ", at a near-tie" : "");
  const Candidate& own = pair.baseline_candidate;
  const Candidate& other = pair.variant_candidate;
  if (!own.baseline_probability || !other.baseline_probability) return words;
  return fmt::format("{}: the baseline gives \"{}\" {} and \"{}\" {}", words, own.name,
                     percent_figure(own.baseline_probability), other.name,
                     percent_figure(other.baseline_probability));
}

}  // namespace fakequant::report
