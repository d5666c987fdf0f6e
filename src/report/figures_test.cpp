#include "report/figures.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fakequant::report {
namespace {

TEST(Figure, HasFourSignificantDigits) {
  EXPECT_EQ(figure(0.0), "0");
  EXPECT_EQ(figure(0.00431712), "0.004317");
  EXPECT_EQ(figure(1.2e-9), "1.2e-09");
  EXPECT_EQ(figure(12345.6), "1.235e+04");
  EXPECT_EQ(figure(std::nullopt), "n/a");
  EXPECT_EQ(figure(INFINITY), "n/a");
  EXPECT_EQ(figure(NAN), "n/a");
}

TEST(PercentFigure, NeverSaysAllOfWhatIsNotAll) {
  EXPECT_EQ(percent_figure(0.906), "90.6 %");
  EXPECT_EQ(percent_figure(0.000331), "0.0331 %");
  EXPECT_EQ(percent_figure(1.0), "100 %");
  EXPECT_EQ(percent_figure(0.0), "0 %");
  EXPECT_EQ(percent_figure(-0.0), "0 %");
  EXPECT_EQ(percent_figure(0.9933), "99.33 %");
  EXPECT_EQ(percent_figure(0.99967), "99.967 %");
  EXPECT_EQ(percent_figure(0.9999999), ">99.99 %");
  EXPECT_EQ(percent_figure(1.5), "150 %");
}

TEST(FigureWithError, RoundsTheValueWhereTheErrorEnds) {
  EXPECT_EQ(figure_with_error(0.01312, 0.0021), "0.0131 +/- 0.0021");
  EXPECT_EQ(figure_with_error(15.7692, 2.207), "15.8 +/- 2.2");
  EXPECT_EQ(figure_with_error(1234.0, 56.0), "1234 +/- 56");
  EXPECT_EQ(figure_with_error(1.4081e-5, 8.79e-7), "(1.408 +/- 0.088)e-5");
  EXPECT_EQ(figure_with_error(0.5, 0.0), "0.5");
  EXPECT_EQ(figure_with_error(0.5, std::nullopt), "0.5");
  EXPECT_EQ(figure_with_error(std::nullopt, 0.1), "n/a");
}

TEST(PercentWithError, HasTheUnitAtBoth) {
  EXPECT_EQ(percent_with_error(0.0131, 0.0021), "1.31 % +/- 0.21 %");
  EXPECT_EQ(percent_with_error(-0.0029, 0.0021), "-0.29 % +/- 0.21 %");
  EXPECT_EQ(percent_with_error(0.0131, std::nullopt), "1.31 %");
}

TEST(DurationFigure, TakesAFittingUnit) {
  EXPECT_EQ(duration_figure(0.35), "350 ms");
  EXPECT_EQ(duration_figure(12.34), "12.3 s");
  EXPECT_EQ(duration_figure(250), "4 min 10 s");
  EXPECT_EQ(duration_figure(7500), "2 h 5 min");
}

TEST(BitsFigure, HasAtMostFourDecimals) {
  EXPECT_EQ(bits_figure(4.5), "4.5");
  EXPECT_EQ(bits_figure(16.00624), "16.0062");
  EXPECT_EQ(bits_figure(16), "16");
}

}  // namespace
}  // namespace fakequant::report
