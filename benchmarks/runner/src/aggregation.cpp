#include "aggregation.hpp"

#include <algorithm>
#include <cmath>

namespace mobilevos {
namespace {

/// Beyond this logit a pixel's background is 0 or 1 in float32, whatever the other objects say.
constexpr float kSaturated = 40.0F;

/// The softmax over `[-x, x]`, which is `sigmoid(2x)`.
void aggregate_one(const float* logit, Planes& out) {
  float *background = out[0], *foreground = out[1];
  for (std::size_t i = 0; i < out.pixels(); ++i) {
    foreground[i] = 1.0F / (1.0F + std::exp(std::min(-2.0F * logit[i], 2.0F * kSaturated)));
    background[i] = 1.0F - foreground[i];
  }
}

/// The background's logit `-log(z)`, `z = prod_i(1 + exp(x_i)) - 1`, at one pixel.
///
/// The recurrence `z <- z + e + z*e` sums positive terms alone, so that nothing cancels near 0. The bounds keep
/// float32 from overflowing and change no probability: beyond them the background's is 0 or 1 already.
float background_logit(const std::vector<const float*>& logits, std::size_t pixel, float largest_odds) {
  float odds = 0.0F;
  for (const float* logit : logits) {
    const float exponential = std::exp(std::clamp(logit[pixel], -kSaturated, kSaturated));
    odds = std::min(odds + exponential + odds * exponential, largest_odds);
  }
  return -std::log(odds);
}

void aggregate_several(const std::vector<const float*>& logits, Planes& out) {
  const float largest_odds = std::exp(kSaturated);
  for (std::size_t i = 0; i < out.pixels(); ++i) {
    const float background = background_logit(logits, i, largest_odds);
    float highest = background;
    for (const float* logit : logits) highest = std::max(highest, logit[i]);
    float total = out[0][i] = std::exp(background - highest);
    for (std::size_t o = 0; o < logits.size(); ++o) total += out[o + 1][i] = std::exp(logits[o][i] - highest);
    for (std::size_t plane = 0; plane < out.count(); ++plane) out[plane][i] /= total;
  }
}

}  // namespace

void soft_aggregate(const std::vector<const float*>& logits, std::size_t pixels, Planes& out) {
  out.resize(logits.size() + 1, pixels);
  if (logits.empty()) {
    std::fill_n(out[0], pixels, 1.0F);
  } else if (logits.size() == 1) {
    aggregate_one(logits[0], out);
  } else {
    aggregate_several(logits, out);
  }
}

void sum_of_others(const Planes& probabilities, Planes& out) {
  const std::size_t objects = probabilities.count() - 1, pixels = probabilities.pixels();
  out.resize(objects, pixels);
  for (std::size_t i = 0; i < pixels; ++i) {
    float sum = 0.0F;
    for (std::size_t o = 1; o <= objects; ++o) sum += probabilities[o][i];
    // Never below 0: a rounded sum of what is not negative is at least each of its terms.
    for (std::size_t o = 1; o <= objects; ++o) out[o - 1][i] = sum - probabilities[o][i];
  }
}

}  // namespace mobilevos
