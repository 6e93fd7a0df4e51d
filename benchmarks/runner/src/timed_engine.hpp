#pragma once

#include <map>

#include "engine.hpp"

namespace mobilevos {

/// Passes every call on to another engine and adds up how long each component took.
class TimedEngine : public Engine {
 public:
  using Milliseconds = std::map<Component, double>;

  /// @param engine To time; it must outlive this one.
  /// @param fused Use its fused program; otherwise each component of a step is run and timed alone.
  TimedEngine(Engine& engine, bool fused) : engine_(engine), fused_(fused) {}

  /// Wall-clock time of each component that was called since the last time this was asked.
  Milliseconds take_times();

  const Dimensions& dimensions() const override { return engine_.dimensions(); }
  Query encode_query(View image) override;
  MemoryRows encode_memory(const Query& query, View masks, View others) override;
  View read_memory(const Query& query, View keys, View values) override;
  View decode(View readout, const Query& query) override;
  Segmented segment(View image, View keys, View values) override;

 private:
  template <class Call>
  auto timed(Component component, Call call);

  Engine& engine_;
  bool fused_;
  Milliseconds times_;
};

}  // namespace mobilevos
