#include "memory_bank.hpp"

#include <algorithm>

namespace mobilevos {

void MemoryBank::write(View key, View values) {
  const auto rows = static_cast<std::size_t>(dimensions_.positions());
  const std::size_t frame_values = rows * static_cast<std::size_t>(dimensions_.value_channels);
  const std::size_t objects = values.size() / frame_values;
  if (written_ == 0) reserve(objects);
  const auto slot = static_cast<std::size_t>(next_slot());
  std::copy(key.begin(), key.end(), keys_.begin() + static_cast<std::ptrdiff_t>(slot * key.size()));
  const std::size_t object_values = values_.size() / objects;
  for (std::size_t object = 0; object < objects; ++object) {
    const View own = values.part(object * frame_values, frame_values);
    std::copy(own.begin(), own.end(), values_.data() + object * object_values + slot * frame_values);
  }
  ++written_;
}

void MemoryBank::reserve(std::size_t objects) {
  const auto rows = static_cast<std::size_t>(dimensions_.memory_rows());
  const auto channels = static_cast<std::size_t>(dimensions_.key_channels) + 1;
  keys_.assign(rows * channels, 0.0F);
  for (std::size_t row = 0; row < rows; ++row) keys_[row * channels + channels - 1] = empty_bias_;
  values_.assign(objects * rows * static_cast<std::size_t>(dimensions_.value_channels), 0.0F);
}

}  // namespace mobilevos
