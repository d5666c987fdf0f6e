#pragma once
// What charts have in common: numbers as they are shown, controls to choose what is shown, which variants.

#include <string>
#include <string_view>
#include <vector>

#include "report/chart_kinds.h"

namespace fakequant::report {

// Three significant digits: 0.0043, 12.3, 1.2e-09.
std::string short_number(double value);
// With a sign: +0.0043.
std::string signed_number(double value);

// Six significant digits: what a chart or its table can show, at half the bytes.
double shown_number(double value);

// Lets a reader choose which value of `field` is shown, the first at first; of one value, all is shown. Sets params and the
// filter of the spec, which has no others.
void add_choice(Json& spec, std::string_view field, const std::string& label,
                const std::vector<std::string>& values);

inline constexpr size_t kMostRows = 80;  // of a chart over variants: beyond that nobody reads it

// The places in RunReport::variants that a chart over variants shows, in order: those with a divergence, controls and the first others,
// kMostRows at most.
struct ShownVariants {
  std::vector<size_t> indices;
  std::string note;  // which were left out
};
ShownVariants variants_with_divergence(const RunReport& report);

// Texts that any variant was measured on, in order.
std::vector<size_t> measured_texts(const RunReport& report);

// Scale and axis of a logarithmic quantity, the same whatever part of its values a reader has chosen. Lines at powers of ten alone, which are
// enough to read it by; over less than two of them at 2 and 5 times these too. Of values that are not positive nothing is taken.
class LogAxis {
 public:
  void add(double value);
  Json domain() const;  // [least, largest]; of less than two powers of ten, out to the next 1, 2 or 5
  Json ticks() const;   // those within the domain
  void apply_to(Json& encoding) const;  // of a place: scale and axis
  void color(Json& encoding) const;     // of a colour: scale and legend, with five ticks at most

 private:
  double low_ = 0, high_ = 0;
};

// Parses a specification that stands in our own source.
Json chart_spec(std::string_view json);

}  // namespace fakequant::report
