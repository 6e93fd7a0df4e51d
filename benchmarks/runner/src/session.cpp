#include "session.hpp"

#include <algorithm>
#include <iostream>
#include <numeric>
#include <set>
#include <string>

#include "error.hpp"
#include "stopwatch.hpp"
#include "thread_pool.hpp"

namespace mobilevos {
namespace {

/// The components that the loop will call on a clip whose groups have these numbers of objects. What is not called is
/// not loaded: it would only take memory.
std::set<Component> called_components(const std::vector<std::size_t>& group_sizes, std::int64_t limit, bool fused) {
  const auto fits = [&](std::size_t size) { return size <= static_cast<std::size_t>(limit); };
  const bool any_fused = fused && std::any_of(group_sizes.begin(), group_sizes.end(), fits);
  const bool all_fused = fused && group_sizes.size() == 1 && any_fused;
  std::set<Component> called{Component::encode_query, Component::encode_memory};
  if (any_fused) called.insert(Component::segment);
  if (!all_fused) called.insert({Component::read_memory, Component::decode});
  return called;
}

}  // namespace

Session::Session(const Options& options)
    : options_(options),
      manifest_(read_manifest(options.bundle)),
      clip_(options.clip),
      output_(options.output, options.trace) {
  const auto groups = clip_.group_sizes();
  const FrameSize size = clip_.frame_size();
  record_.precision = manifest_.precision;
  record_.bundle_sha256 = manifest_.sha256;
  record_.threads = set_threads(options.threads);
  record_.affinity = processor_affinity();
  record_.height = size.height;
  record_.width = size.width;
  record_.frames = clip_.frames();
  record_.memory_every = clip_.memory_every();
  record_.objects = std::accumulate(groups.begin(), groups.end(), std::int64_t{0});

  const Stopwatch loading;
  const bool fused = !options.components;
  engine_ =
      std::make_unique<ExecutorchEngine>(manifest_, called_components(groups, manifest_.dimensions.objects, fused));
  record_.load_ms = loading.milliseconds();
  timed_ = std::make_unique<TimedEngine>(*engine_, fused);
  Engine* outermost = timed_.get();
  if (options.trace) {
    traced_ = std::make_unique<TracedEngine>(*timed_);
    outermost = traced_.get();
  }
  tracker_ = std::make_unique<Tracker>(*outermost, size, clip_.memory_every(), manifest_.empty_bias);
}

void Session::run() {
  for (std::int64_t pass = 0; track_pass(pass) == Turn::taken; ++pass) {
    if (!options_.in_turn && output_.has_whole_pass() && measured_enough()) break;
  }
  if (record_.steps.empty()) throw InputError("no step was made", "a line `step` on standard input");
  output_.commit(to_json(record_));
}

/// A pass over the clip, cut where enough was measured and its masks are not needed.
Session::Turn Session::track_pass(std::int64_t pass) {
  PassOutput& output = output_.begin_pass();
  tracker_->reset();
  for (std::int64_t frame = 0; frame < clip_.frames(); ++frame) {
    if (options_.in_turn) {
      if (wait_for_turn() == Turn::stopped) return Turn::stopped;
    } else if (output_.has_whole_pass() && measured_enough()) {
      return Turn::taken;
    }
    record_.steps.push_back(step(pass, frame, output));
    if (options_.in_turn || options_.progress) std::cout << to_json(record_.steps.back()).dump() << std::endl;
  }
  if (!record_.steps.back().warm_up) output_.end_pass();
  return Turn::taken;
}

/// The end of the input stops too: whoever gave the turns is gone.
Session::Turn Session::wait_for_turn() const {
  std::string line;
  if (!std::getline(std::cin, line) || line == "stop") return Turn::stopped;
  if (line != "step") throw InputError("cannot read standard input", "step or stop", line);
  return Turn::taken;
}

StepRecord Session::step(std::int64_t pass, std::int64_t frame, PassOutput& output) {
  clip_.read_frame(frame, frame_);
  if (output.trace) output.trace->before_step(*tracker_);

  const Stopwatch stopwatch;
  tracker_->step(frame_, clip_.given(frame), labels_);
  const double milliseconds = stopwatch.milliseconds();

  output.masks.write(labels_.data(), labels_.size());
  if (output.trace) output.trace->after_step(*tracker_, traced_->take_calls());
  const bool warm_up = static_cast<std::int64_t>(record_.steps.size()) < options_.warm_up;
  if (!warm_up && frame > 0) {  // the first frame of a pass is given, and memorised only
    ++timed_steps_;
    timed_ms_ += milliseconds;
  }
  return {frame, pass, warm_up, milliseconds, timed_->take_times(), process_memory()};
}

bool Session::measured_enough() const {
  constexpr double second = 1000;
  return timed_steps_ >= options_.steps && timed_ms_ >= options_.seconds * second;
}

}  // namespace mobilevos
