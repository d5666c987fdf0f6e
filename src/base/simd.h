#pragma once
// FQ_VECTORIZED before a function: it is compiled once per x86-64 level and the right copy is chosen when the
// program starts. The loops inside are plain C++ that the compiler vectorizes; results are the same on every
// level because contraction and fast-math are off. Helpers called from such a function must be FQ_INLINE, or
// they are compiled for the lowest level only.

#define FQ_INLINE inline __attribute__((always_inline))

// The copies are chosen before the sanitizers are ready, so instrumented builds have one copy.
#if defined(__x86_64__) && defined(__linux__) && !defined(FAKEQUANT_SANITIZED)
#define FQ_VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FQ_VECTORIZED
#endif

#ifdef __FAST_MATH__
#error "fakequant must not be built with -ffast-math: restored values would change"
#endif
