#pragma once

#include <cstddef>
#include <vector>

#include "view.hpp"

namespace mobilevos {

/// Planes of one size: float32 `[count, pixels]` in C order. Their memory is used again when they are resized.
class Planes {
 public:
  /// Makes room; what the planes hold is undefined.
  void resize(std::size_t count, std::size_t pixels) {
    pixels_ = pixels;
    values_.resize(count * pixels);
  }

  std::size_t count() const { return pixels_ == 0 ? 0 : values_.size() / pixels_; }
  std::size_t pixels() const { return pixels_; }
  float* operator[](std::size_t index) { return values_.data() + index * pixels_; }
  const float* operator[](std::size_t index) const { return values_.data() + index * pixels_; }

  /// All values from plane `first` on.
  View from(std::size_t first) const { return View(values_).part(first * pixels_, values_.size() - first * pixels_); }

 private:
  std::size_t pixels_ = 0;
  std::vector<float> values_;
};

}  // namespace mobilevos
