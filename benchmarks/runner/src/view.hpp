#pragma once

#include <cstddef>
#include <vector>

namespace mobilevos {

/// Consecutive float32 values that somebody else owns: a tensor in C order.
class View {
 public:
  View() = default;
  View(const float* data, std::size_t size) : data_(data), size_(size) {}
  View(const std::vector<float>& values) : View(values.data(), values.size()) {}  // NOLINT: as std::span

  const float* data() const { return data_; }
  std::size_t size() const { return size_; }
  const float* begin() const { return data_; }
  const float* end() const { return data_ + size_; }

  /// `size` values from `start` on.
  View part(std::size_t start, std::size_t size) const { return {data_ + start, size}; }

 private:
  const float* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace mobilevos
