#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "json.hpp"
#include "process_memory.hpp"
#include "timed_engine.hpp"

namespace mobilevos {

/// One step of a run.
struct StepRecord {
  std::int64_t frame;  ///< Of the clip, from 0.
  std::int64_t pass;   ///< Over the clip, from 0; each begins with an empty memory.
  bool warm_up;        ///< Not to be counted.
  double step_ms;      ///< The whole step: padding, engine, soft aggregation, labels, memory.
  TimedEngine::Milliseconds components;
  ProcessMemory memory;  ///< After the step.
};

/// What a run tells in `run.json`, format 1.
struct RunRecord {
  std::string precision;
  std::string bundle_sha256;  ///< Of `manifest.json`.
  std::int64_t threads;       ///< Of ExecuTorch's pool.
  std::vector<int> affinity;  ///< Processors that this process may use.
  std::int64_t height, width, frames, memory_every, objects;
  double load_ms;  ///< From opening the program to its methods being ready; its SHA-256 was verified before.
  std::vector<StepRecord> steps;
};

/// A step's entry in `run.json`.
Json to_json(const StepRecord& step);

/// `run.json`, with the peaks of this process's memory.
Json to_json(const RunRecord& run);

/// Processors that this process may use, ascending.
std::vector<int> processor_affinity();

}  // namespace mobilevos
