#include "analysis/value_facts.h"

#include <algorithm>

namespace fakequant {
namespace {

constexpr size_t kPiece = 4096;  // each measure finds the piece in the first-level cache

}  // namespace

void ValueSurvey::add(std::span<const float> values) {
  for (size_t start = 0; start < values.size(); start += kPiece) {
    const auto piece = values.subspan(start, std::min(kPiece, values.size() - start));
    statistics_.add(piece);
    needs_.add(piece);
    distinct_.add(piece);
  }
}

void ValueSurvey::merge(const ValueSurvey& other) {
  statistics_.merge(other.statistics_);
  needs_.merge(other.needs_);
  distinct_.merge(other.distinct_);
}

ValueFacts ValueSurvey::facts() const {
  const auto distinct = distinct_.count();
  return {statistics_, needs_, distinct, effective_precision(statistics_.count, needs_, distinct)};
}

ValueFacts facts_of_codes(const CodeCounts& counts, HalfType type) {
  ValueFacts facts{counts.statistics(type), counts.precision_needs(type), counts.distinct_count(), {}};
  facts.precision = effective_precision(facts.statistics.count, facts.needs, facts.distinct_count);
  return facts;
}

}  // namespace fakequant
