#include "formats/step_function.h"

#include <algorithm>
#include <utility>

#include "formats/kernel.h"

// With AVX-512 a table of 16 floats is one register, and a binary search in it four permutations: half the time of
// comparing with every threshold, which is what compilers find by themselves (bench/formats_bench, nf4). Instrumented
// builds test that way, as machines without AVX-512 take it.
#if defined(__x86_64__) && defined(__linux__) && !defined(FAKEQUANT_SANITIZED)
#define FQ_STEP_TABLES 1
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // within the header, of GCC 12
#include <immintrin.h>
#endif

namespace fakequant {

namespace {

using namespace kernel;

// The value at x among `values`, which begin with that below the first threshold.
template <size_t... i>
FQ_INLINE float value_at(const StepFunction& steps, const std::array<float, 16>& values, float x,
                         std::index_sequence<i...>) {
  float value = values[0];
  ((value = choose(x > steps.thresholds[i], values[i + 1], value)), ...);
  return choose(x == x, value, x);
}

std::array<float, 16> next_values(const StepFunction& steps) {
  std::array<float, 16> next = steps.values;
  std::copy(steps.values.begin() + 1, steps.values.end(), next.begin());
  return next;
}

std::array<float, 16> per_gap_values(const StepFunction& steps) {
  std::array<float, 16> per_gap{};
  for (size_t i = 0; i < 15; ++i) per_gap[i] = 1.0f / (steps.values[i + 1] - steps.values[i]);
  return per_gap;
}

FQ_VECTORIZED void compare_with_all(const StepFunction& function, const std::array<float, 16>& table,
                                    const float* x, float* y, size_t count) {
  const StepFunction steps = function;
  const std::array<float, 16> values = table;
  for (size_t i = 0; i < count; ++i) y[i] = value_at(steps, values, x[i], std::make_index_sequence<15>());
}

#ifdef FQ_STEP_TABLES
#define FQ_WITH_TABLES __attribute__((target("arch=x86-64-v4")))

struct Tables {
  __m512 thresholds;
  __m512 values;
  __m512 next;
  __m512 per_gap;
  __m512 middle;
};

// Where results go; `next` and `per_gap` together or not at all.
struct Outputs {
  float* y;
  float* next;
  float* per_gap;

  Outputs at(size_t i) const {
    return {y + i, next != nullptr ? next + i : next, next != nullptr ? per_gap + i : per_gap};
  }
};

// How many thresholds lie below each of `x`.
FQ_WITH_TABLES inline __m512i places_of(const Tables& tables, __m512 x) {
  // `place` is the threshold to compare with next; the halves of what is left are 8, 4, 2 and 1 long.
  __mmask16 above = _mm512_cmp_ps_mask(x, tables.middle, _CMP_GT_OQ);
  __m512i place = _mm512_mask_blend_epi32(above, _mm512_set1_epi32(3), _mm512_set1_epi32(11));
  above = _mm512_cmp_ps_mask(x, _mm512_permutexvar_ps(place, tables.thresholds), _CMP_GT_OQ);
  place = _mm512_sub_epi32(place, _mm512_set1_epi32(2));
  place = _mm512_mask_add_epi32(place, above, place, _mm512_set1_epi32(4));
  above = _mm512_cmp_ps_mask(x, _mm512_permutexvar_ps(place, tables.thresholds), _CMP_GT_OQ);
  place = _mm512_sub_epi32(place, _mm512_set1_epi32(1));
  place = _mm512_mask_add_epi32(place, above, place, _mm512_set1_epi32(2));
  above = _mm512_cmp_ps_mask(x, _mm512_permutexvar_ps(place, tables.thresholds), _CMP_GT_OQ);
  return _mm512_mask_add_epi32(place, above, place, _mm512_set1_epi32(1));
}

FQ_WITH_TABLES inline void search_lanes(const Tables& tables, __mmask16 lanes, const float* x,
                                        const Outputs& to) {
  const __m512 at = _mm512_maskz_loadu_ps(lanes, x);
  const __m512i place = places_of(tables, at);
  const __mmask16 ordered = _mm512_cmp_ps_mask(at, at, _CMP_ORD_Q);
  _mm512_mask_storeu_ps(to.y, lanes, _mm512_mask_permutexvar_ps(at, ordered, place, tables.values));
  if (to.next == nullptr) return;
  _mm512_mask_storeu_ps(to.next, lanes, _mm512_mask_permutexvar_ps(at, ordered, place, tables.next));
  _mm512_mask_storeu_ps(to.per_gap, lanes, _mm512_mask_permutexvar_ps(at, ordered, place, tables.per_gap));
}

FQ_WITH_TABLES void search_in_registers(const StepFunction& steps, const float* x, const Outputs& to,
                                        size_t count) {
  const Tables tables{_mm512_maskz_loadu_ps(0x7FFF, steps.thresholds.data()),
                      _mm512_loadu_ps(steps.values.data()), _mm512_loadu_ps(next_values(steps).data()),
                      _mm512_loadu_ps(per_gap_values(steps).data()), _mm512_set1_ps(steps.thresholds[7])};
  const size_t whole = count / 16 * 16;
  for (size_t i = 0; i < whole; i += 16) search_lanes(tables, 0xFFFF, x + i, to.at(i));
  if (whole == count) return;
  search_lanes(tables, static_cast<__mmask16>((1u << (count - whole)) - 1), x + whole, to.at(whole));
}

bool has_tables() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vl");
  return has;
}
#endif

}  // namespace

void StepFunction::apply(const float* x, float* y, size_t count) const {
#ifdef FQ_STEP_TABLES
  if (has_tables()) return search_in_registers(*this, x, {y, nullptr, nullptr}, count);
#endif
  compare_with_all(*this, values, x, y, count);
}

void StepFunction::apply(const float* x, float* y, float* next, float* per_gap, size_t count) const {
#ifdef FQ_STEP_TABLES
  if (has_tables()) return search_in_registers(*this, x, {y, next, per_gap}, count);
#endif
  compare_with_all(*this, values, x, y, count);
  compare_with_all(*this, next_values(*this), x, next, count);
  compare_with_all(*this, per_gap_values(*this), x, per_gap, count);
}

}  // namespace fakequant

#ifdef FQ_STEP_TABLES
#pragma GCC diagnostic pop
#endif
