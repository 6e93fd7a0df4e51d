#pragma once

#include <cstdint>
#include <vector>

#include "planes.hpp"

namespace mobilevos {

/// Ids that occur in a mask, ascending, without the background's 0.
std::vector<int> object_ids(const std::vector<std::uint8_t>& mask);

/// Lays a given mask over a prediction.
///
/// In the mask's objects it is the truth. Elsewhere the objects that it does not hold keep their prediction.
///
/// @param mask Object ids `[pixels]`.
/// @param ids Every object, in the order of the result. Those that were not predicted are the given ones.
/// @param predicted_ids The objects that were predicted, none of them in the mask.
/// @param predicted Their probabilities `[P+1, pixels]`, the background first.
/// @param out Probabilities `[O+1, pixels]`, the background first.
void impose(const std::vector<std::uint8_t>& mask, const std::vector<int>& ids, const std::vector<int>& predicted_ids,
            const Planes& predicted, Planes& out);

}  // namespace mobilevos
