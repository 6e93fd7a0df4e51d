#include "given_mask.hpp"

#include <algorithm>
#include <array>

namespace mobilevos {

std::vector<int> object_ids(const std::vector<std::uint8_t>& mask) {
  std::array<bool, 256> seen{};
  for (const std::uint8_t id : mask) seen[id] = true;
  std::vector<int> ids;
  for (int id = 1; id < static_cast<int>(seen.size()); ++id) {
    if (seen[static_cast<std::size_t>(id)]) ids.push_back(id);
  }
  return ids;
}

void impose(const std::vector<std::uint8_t>& mask, const std::vector<int>& ids, const std::vector<int>& predicted_ids,
            const Planes& predicted, Planes& out) {
  out.resize(ids.size() + 1, mask.size());
  const auto keep_outside = [&](const float* plane, float* target) {
    for (std::size_t i = 0; i < mask.size(); ++i) target[i] = mask[i] == 0 ? plane[i] : 0.0F;
  };
  keep_outside(predicted[0], out[0]);
  for (std::size_t row = 0; row < ids.size(); ++row) {
    const auto place = std::find(predicted_ids.begin(), predicted_ids.end(), ids[row]);
    float* target = out[row + 1];
    if (place != predicted_ids.end()) {
      keep_outside(predicted[static_cast<std::size_t>(place - predicted_ids.begin()) + 1], target);
      continue;
    }
    for (std::size_t i = 0; i < mask.size(); ++i) target[i] = mask[i] == ids[row] ? 1.0F : 0.0F;
  }
}

}  // namespace mobilevos
