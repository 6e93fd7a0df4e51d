#include "timed_engine.hpp"

#include <utility>

#include "stopwatch.hpp"

namespace mobilevos {

template <class Call>
auto TimedEngine::timed(Component component, Call call) {
  const Stopwatch stopwatch;
  auto result = call();
  times_[component] += stopwatch.milliseconds();
  return result;
}

TimedEngine::Milliseconds TimedEngine::take_times() { return std::exchange(times_, {}); }

Query TimedEngine::encode_query(View image) {
  return timed(Component::encode_query, [&] { return engine_.encode_query(image); });
}

MemoryRows TimedEngine::encode_memory(const Query& query, View masks, View others) {
  return timed(Component::encode_memory, [&] { return engine_.encode_memory(query, masks, others); });
}

View TimedEngine::read_memory(const Query& query, View keys, View values) {
  return timed(Component::read_memory, [&] { return engine_.read_memory(query, keys, values); });
}

View TimedEngine::decode(View readout, const Query& query) {
  return timed(Component::decode, [&] { return engine_.decode(readout, query); });
}

Segmented TimedEngine::segment(View image, View keys, View values) {
  if (!fused_) return Engine::segment(image, keys, values);
  return timed(Component::segment, [&] { return engine_.segment(image, keys, values); });
}

}  // namespace mobilevos
