#pragma once

#include <set>
#include <vector>

#include "engine.hpp"
#include "executorch_program.hpp"

namespace mobilevos {

/// ExecuTorch (XNNPACK on a CPU), with objects in turns.
class ExecutorchEngine : public Engine {
 public:
  /// @param manifest Of the bundle.
  /// @param called The components that will be called; calling another loads it then.
  /// @throws InputError See `ExecutorchProgram`.
  ExecutorchEngine(const Manifest& manifest, const std::set<Component>& called)
      : dimensions_(manifest.dimensions), program_(manifest, called) {}

  const Dimensions& dimensions() const override { return dimensions_; }
  Query encode_query(View image) override;
  MemoryRows encode_memory(const Query& query, View masks, View others) override;
  View read_memory(const Query& query, View keys, View values) override;
  View decode(View readout, const Query& query) override;
  Segmented segment(View image, View keys, View values) override;

 private:
  /// An array `[O, ...]` that is cut into pieces of as many objects as a program takes, the last filled with zeros.
  class Turns {
   public:
    Turns(View array, std::size_t object_size, std::size_t objects_per_turn);

    std::size_t count() const { return (objects_ + per_turn_ - 1) / per_turn_; }

    /// Valid until the next call.
    View operator[](std::size_t turn);

    /// The part of a turn's output `[objects per turn, ...]` that is of real objects.
    View real_part(std::size_t turn, View output) const;

   private:
    View array_;
    std::size_t object_size_, per_turn_, objects_;
    std::vector<float> filled_;
  };

  Turns turns(View array, std::int64_t object_size) const;

  Dimensions dimensions_;
  ExecutorchProgram program_;
  std::vector<float> values_, readout_, logits_;  // joined outputs
};

}  // namespace mobilevos
