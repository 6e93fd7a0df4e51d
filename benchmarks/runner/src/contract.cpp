#include "contract.hpp"

#include <functional>
#include <numeric>

namespace mobilevos {

std::string_view name_of(Component component) {
  switch (component) {
    case Component::encode_query: return "encode_query";
    case Component::encode_memory: return "encode_memory";
    case Component::read_memory: return "read_memory";
    case Component::decode: return "decode";
    case Component::segment: return "segment";
  }
  return "";
}

std::size_t TensorSpec::elements() const {
  return static_cast<std::size_t>(std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
}

Signature signature_of(Component component, const Dimensions& d) {
  const std::int64_t h = d.height / kStride, w = d.width / kStride;
  const TensorSpec image{"image", {1, 3, d.height, d.width}};
  const TensorSpec key{"key", {1, d.key_channels, h, w}};
  const TensorSpec feature16{"feature16", {1, d.feature_channels[0], h, w}};
  const TensorSpec feature8{"feature8", {1, d.feature_channels[1], 2 * h, 2 * w}};
  const TensorSpec feature4{"feature4", {1, d.feature_channels[2], 4 * h, 4 * w}};
  const TensorSpec masks{"masks", {d.objects, 1, d.height, d.width}};
  const TensorSpec others{"others", {d.objects, 1, d.height, d.width}};
  const TensorSpec memory_key{"memory_key", {d.positions(), d.key_channels + 1}};
  const TensorSpec memory_value{"memory_value", {d.objects, d.positions(), d.value_channels}};
  const TensorSpec memory_keys{"memory_keys", {d.memory_rows(), d.key_channels + 1}};
  const TensorSpec memory_values{"memory_values", {d.objects, d.memory_rows(), d.value_channels}};
  const TensorSpec readout{"readout", {d.objects, d.value_channels, h, w}};
  const TensorSpec logits{"logits", {d.objects, 1, d.height, d.width}};
  switch (component) {
    case Component::encode_query: return {{image}, {key, feature16, feature8, feature4}};
    case Component::encode_memory: return {{key, feature16, feature8, masks, others}, {memory_key, memory_value}};
    case Component::read_memory: return {{key, memory_keys, memory_values}, {readout}};
    case Component::decode: return {{readout, feature16, feature8, feature4}, {logits}};
    case Component::segment: return {{image, memory_keys, memory_values}, {logits, key, feature16, feature8}};
  }
  return {};
}

std::string text_of(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t side : shape) text += (text.empty() ? "" : "x") + std::to_string(side);
  return text;
}

}  // namespace mobilevos
