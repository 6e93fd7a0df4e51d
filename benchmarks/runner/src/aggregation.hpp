#pragma once

#include <vector>

#include "planes.hpp"

namespace mobilevos {

/// Soft aggregation (STM, Oh et al., ICCV 2019, equation 6) in logit space.
///
/// The background's probability is `P = prod_i(1 - sigmoid(x_i))` and its logit `log(P / (1 - P))`; a softmax over the
/// background and the objects follows. No probability is clamped: the result is finite for every finite logit.
///
/// @param logits One plane for each object, which may lie anywhere.
/// @param pixels Of a plane.
/// @param out Probabilities `[O+1, pixels]`, the background first; all background where there is no object.
void soft_aggregate(const std::vector<const float*>& logits, std::size_t pixels, Planes& out);

/// For each object the sum of the other objects' probabilities.
/// @param probabilities `[O+1, pixels]`, the background first.
/// @param out `[O, pixels]`.
void sum_of_others(const Planes& probabilities, Planes& out);

}  // namespace mobilevos
