#pragma once

#include <cstdint>
#include <vector>

#include "contract.hpp"
#include "view.hpp"

namespace mobilevos {

/// Memory keys and values of one group of objects: the first memorised frame and the latest.
///
/// The first frame carries the mask that the user gave, so it is never overwritten. An empty row is zero but for the
/// last key channel, whose bias takes it out of the softmax. The first write allocates, all later ones are in place.
class MemoryBank {
 public:
  /// @param dimensions Of the bundle; their memory frames beyond two stay empty.
  /// @param empty_bias Of the manifest.
  MemoryBank(const Dimensions& dimensions, float empty_bias) : dimensions_(dimensions), empty_bias_(empty_bias) {}

  /// The slot that the next write goes to.
  std::int64_t next_slot() const { return written_ == 0 ? 0 : 1; }

  /// Memorises one frame.
  /// @param key `[h*w, Ck+1]`.
  /// @param values `[O, h*w, Cv]`, of the same number of objects at every write.
  void write(View key, View values);

  /// `[T*h*w, Ck+1]`; nothing before the first write.
  View keys() const { return keys_; }

  /// `[O, T*h*w, Cv]`; nothing before the first write.
  View values() const { return values_; }

 private:
  void reserve(std::size_t objects);

  Dimensions dimensions_;
  float empty_bias_;
  std::int64_t written_ = 0;
  std::vector<float> keys_, values_;
};

}  // namespace mobilevos
