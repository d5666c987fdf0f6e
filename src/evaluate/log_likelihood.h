#pragma once
// The probability that a row of logits gives to a token, to the digits that llama-perplexity prints. Knows one row only.

#include <cstdint>
#include <span>

namespace fakequant {

// The largest of some values; NaN is passed over, of nothing else it is -Inf.
float largest_of(std::span<const float> values);

// What turns a row of logits into log-probabilities: ln p_i = (logit_i - largest) - log_sum.
struct LogNormalizer {
  float largest = 0;
  double log_sum = 0;  // ln of the sum of exp(logit - largest)
};

// Of at least one logit.
//
//   rounding  differences and exponentials in F32, their sum in F64, as llama-perplexity computes it; but exponentials
//             are rounded correctly, where a C library's are so in all but a few of a thousand, and the sum is taken in lanes:
//             log_sum is within 2^-30 of llama-perplexity's, and has the same bits on every processor
//   NaN       log_sum is NaN when a logit is NaN or +Inf, or all are -Inf
LogNormalizer log_normalizer(std::span<const float> logits);

// -ln of the probability of one token, in nats: of the logit and its row's normalizer; +Inf for a probability of 0.
double negative_log_likelihood(float logit, const LogNormalizer& normalizer);

// The same of `label` in softmax(logits), to the bit.
double negative_log_likelihood(std::span<const float> logits, int32_t label);

}  // namespace fakequant
