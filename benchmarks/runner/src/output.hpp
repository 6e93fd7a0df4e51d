#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "json.hpp"
#include "trace.hpp"

namespace mobilevos {

/// What one pass over the clip gives: its masks, and its trace where one is wanted.
struct PassOutput {
  /// @param folder Of the output.
  /// @param traced Whether a trace is wanted.
  PassOutput(const std::filesystem::path& folder, bool traced);

  AtomicFile masks;  ///< uint8 `[T, H, W]`, object ids.
  std::optional<Trace> trace;
};

/// The output folder. Nothing in it changes before `commit`, then all of it.
class Output {
 public:
  /// Makes the folder where it is missing.
  /// @param traced Whether a trace is wanted.
  /// @throws InputError It cannot be written to.
  Output(std::filesystem::path folder, bool traced);

  /// Begins a pass. What an earlier one left unfinished is dropped.
  PassOutput& begin_pass();

  /// The pass is whole: it takes the place of the last whole one.
  void end_pass() { whole_ = std::move(current_); }

  /// Whether a pass was completed.
  bool has_whole_pass() const { return whole_ != nullptr; }

  /// Writes `run.json`, and `masks.u8` and the trace of the last whole pass; without one there are none.
  /// @throws InputError The device is full or fails.
  void commit(const Json& run);

 private:
  std::filesystem::path folder_;
  bool traced_;
  std::unique_ptr<PassOutput> current_, whole_;
};

}  // namespace mobilevos
