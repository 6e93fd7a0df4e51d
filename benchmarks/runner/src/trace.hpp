#pragma once

#include <filesystem>
#include <vector>

#include "files.hpp"
#include "json.hpp"
#include "traced_engine.hpp"
#include "tracker.hpp"

namespace mobilevos {

/// A pass over the clip in the form of a bundle's golden trace: `trace.json` and `tensors.f32`, float32,
/// little-endian, as `mobilevos/golden.schema.json` describes them, with empty names of images.
class Trace {
 public:
  /// @param folder Of the output.
  /// @throws InputError It cannot be written to.
  explicit Trace(const std::filesystem::path& folder);

  /// Looks at the tracker before a step.
  void before_step(const Tracker& tracker);

  /// Adds the step that followed.
  /// @param tracker After it.
  /// @param calls That it made.
  void after_step(const Tracker& tracker, const std::vector<TracedCall>& calls);

  /// Gives the files their names.
  void commit();

 private:
  Json call_of(const TracedCall& call, std::size_t& group, const Tracker& tracker);
  Json writes_of(const Tracker& tracker) const;

  AtomicFile description_, tensors_;
  Json steps_ = Json::array();
  std::vector<std::vector<int>> known_groups_;  // before the step
  std::vector<std::int64_t> next_slots_;        // of their banks
};

}  // namespace mobilevos
