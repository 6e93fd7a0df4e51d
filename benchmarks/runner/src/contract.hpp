#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mobilevos {

/// Pixels per key position: frames are padded to a multiple of it.
inline constexpr std::int64_t kStride = 16;

/// The programs of a bundle, as `mobilevos/contract.py` defines them.
enum class Component { encode_query, encode_memory, read_memory, decode, segment };

inline constexpr std::array kComponents{Component::encode_query, Component::encode_memory, Component::read_memory,
                                        Component::decode, Component::segment};

/// Its name in a manifest.
std::string_view name_of(Component component);

/// The sizes that fix every shape of the contract.
struct Dimensions {
  std::int64_t height;               ///< Rows of the padded frame, a multiple of 16.
  std::int64_t width;                ///< Columns of the padded frame, a multiple of 16.
  std::int64_t memory_frames;        ///< Frames that the memory bank holds (T).
  std::int64_t objects;              ///< Objects handled in one call (O).
  std::int64_t key_channels;         ///< Ck.
  std::int64_t value_channels;       ///< Cv.
  std::int64_t feature_channels[3];  ///< Of the trunk's features at strides 16, 8 and 4.

  /// Of a padded frame.
  std::int64_t pixels() const { return height * width; }

  /// Key positions of one frame, h * w.
  std::int64_t positions() const { return pixels() / (kStride * kStride); }

  /// Positions of the whole memory, T * h * w.
  std::int64_t memory_rows() const { return memory_frames * positions(); }
};

/// A tensor of the contract, float32 in C order.
struct TensorSpec {
  std::string name;
  std::vector<std::int64_t> shape;

  /// Its number of elements.
  std::size_t elements() const;

  bool operator==(const TensorSpec& other) const { return name == other.name && shape == other.shape; }
};

/// One component's inputs and outputs, in call order.
struct Signature {
  std::vector<TensorSpec> inputs, outputs;
};

/// The signature of a component for these dimensions.
Signature signature_of(Component component, const Dimensions& dimensions);

/// A shape for messages, as `1x3x480x864`.
std::string text_of(const std::vector<std::int64_t>& shape);

}  // namespace mobilevos
