#pragma once

#include <memory>
#include <vector>

#include "clip.hpp"
#include "executorch_engine.hpp"
#include "manifest.hpp"
#include "options.hpp"
#include "output.hpp"
#include "record.hpp"
#include "timed_engine.hpp"
#include "traced_engine.hpp"
#include "tracker.hpp"

namespace mobilevos {

/// One run: a bundle, loaded, that tracks a clip in passes until enough was measured.
class Session {
 public:
  /// Opens everything and loads the programs.
  /// @throws InputError Something named in the options cannot be used.
  explicit Session(const Options& options);

  /// Tracks the clip, and writes the record.
  /// @throws InputError The runtime or a device fails: nothing is written then.
  void run();

 private:
  enum class Turn { taken, stopped };

  Turn track_pass(std::int64_t pass);
  Turn wait_for_turn() const;
  StepRecord step(std::int64_t pass, std::int64_t frame, PassOutput& output);
  bool measured_enough() const;

  Options options_;
  Manifest manifest_;
  Clip clip_;
  Output output_;
  RunRecord record_;
  std::unique_ptr<ExecutorchEngine> engine_;
  std::unique_ptr<TimedEngine> timed_;
  std::unique_ptr<TracedEngine> traced_;  // only where a trace is wanted
  std::unique_ptr<Tracker> tracker_;
  std::int64_t timed_steps_ = 0;
  double timed_ms_ = 0;
  std::vector<std::uint8_t> frame_, labels_;
};

}  // namespace mobilevos
