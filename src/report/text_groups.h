#pragma once
// Generated texts side by side: for each prompt the baseline's text and what every variant made of it. Knows no markup.

#include <string>
#include <vector>

#include "report/run_report.h"

namespace fakequant::report {

struct TextOfVariant {
  const ReportVariant* variant;
  const TextPair* pair;

  // What both texts begin with; whole characters.
  std::string common() const;
  // The rest of the baseline's text and of the variant's.
  std::string baseline_rest() const;
  std::string variant_rest() const;
};

// A prompt at one temperature and seed.
struct TextGroup {
  size_t model;  // into RunReport::models
  std::string prompt;
  double temperature;
  std::optional<uint64_t> seed;
  std::string baseline;
  std::vector<TextOfVariant> variants;
};

// In the order in which they were made. Pointers are into `report`.
std::vector<TextGroup> text_groups(const RunReport& report);

// "parts after 12 tokens, at a near-tie: \"H\" (0.774 %) against \"v\" (0.772 %)"; "the same"
std::string parting_words(const TextPair& pair);

}  // namespace fakequant::report
