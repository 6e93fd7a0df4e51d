#pragma once

#include <cstdint>
#include <vector>

#include "engine.hpp"
#include "memory_bank.hpp"
#include "planes.hpp"

namespace mobilevos {

/// Height and width of a video's frames, in pixels.
struct FrameSize {
  std::int64_t height;
  std::int64_t width;

  std::size_t pixels() const { return static_cast<std::size_t>(height * width); }
};

/// Objects that were first given at the same frame, which is the first frame of their bank.
struct ObjectGroup {
  std::vector<int> ids;
  MemoryBank bank;
};

/// Segments the objects of a video frame by frame, from the masks in which they are given: the loop of
/// `mobilevos/tracking/tracker.py`, step for step.
///
/// A step reads the memory, decodes each object, aggregates the objects' logits softly, and memorises the frame if a
/// mask was given or `t % memory_every == 0`, where t counts frames from the first with a mask. The soft probabilities
/// are memorised; where a mask was given, the mask. Frames are padded with zeros at the bottom and on the right.
class Tracker {
 public:
  /// @param engine What runs the network; it must outlive the tracker.
  /// @param frame Of the video.
  /// @param memory_every Frames from one memorised frame to the next, at least 1.
  /// @param empty_bias Of the manifest.
  /// @throws InputError The engine does not take frames of this size, or fewer memory frames than two.
  Tracker(Engine& engine, FrameSize frame, std::int64_t memory_every, float empty_bias);

  /// Forgets the video: its objects and their memory.
  void reset();

  /// Segments the video's next frame.
  /// @param frame `[H, W, 3]`, RGB.
  /// @param mask Object ids `[H, W]` that are given with it, or nothing. The first must hold an object.
  /// @param labels The most probable object id of each pixel `[H, W]`, 0 for background; of equals the first.
  /// @throws InputError The engine failed; the tracker is of no more use then.
  void step(const std::vector<std::uint8_t>& frame, const std::vector<std::uint8_t>* mask,
            std::vector<std::uint8_t>& labels);

  /// In the order in which they were given.
  const std::vector<ObjectGroup>& groups() const { return groups_; }

  /// Ids of the tracked objects, likewise, ascending within a frame.
  std::vector<int> ids() const;

 private:
  void write_image(const std::vector<std::uint8_t>& frame);
  std::vector<std::uint8_t> fit_mask(const std::vector<std::uint8_t>& mask) const;
  Query predict(const std::vector<int>& predicted_ids);
  Segmented logits_of(const std::vector<const ObjectGroup*>& groups);
  void add_group(const std::vector<int>& given_ids);
  void memorise(const Query& query, const Planes& probabilities);
  void write_labels(const Planes& probabilities, std::vector<std::uint8_t>& labels) const;

  Engine& engine_;
  FrameSize frame_;
  std::int64_t memory_every_;
  float empty_bias_;
  std::vector<ObjectGroup> groups_;
  std::int64_t time_ = 0;

  std::vector<float> image_;     // [1, 3, H, W] of the network; the padding stays zero
  std::vector<float> readouts_;  // of all groups
  Planes predicted_, imposed_, others_;
};

}  // namespace mobilevos
