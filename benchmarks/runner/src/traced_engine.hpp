#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine.hpp"

namespace mobilevos {

/// What a golden trace keeps of one output, as `mobilevos.golden.recording.reduced` does.
struct TracedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

/// What a golden trace keeps of one call, without the objects that it was made for, which an engine does not know.
struct TracedCall {
  Component component;
  std::vector<std::pair<std::string, std::vector<double>>> sums;  ///< Of inputs that the loop computes.
  std::vector<TracedTensor> tensors;
};

/// Passes every call on to another engine, and notes what a trace keeps of it.
class TracedEngine : public Engine {
 public:
  /// @param engine It must outlive this one.
  explicit TracedEngine(Engine& engine) : engine_(engine) {}

  /// The calls since the last time this was asked.
  std::vector<TracedCall> take_calls();

  const Dimensions& dimensions() const override { return engine_.dimensions(); }
  Query encode_query(View image) override;
  MemoryRows encode_memory(const Query& query, View masks, View others) override;
  View read_memory(const Query& query, View keys, View values) override;
  View decode(View readout, const Query& query) override;
  Segmented segment(View image, View keys, View values) override;

 private:
  Engine& engine_;
  std::vector<TracedCall> calls_;
};

}  // namespace mobilevos
